"""`nexusflow`: the group of verbs. A verb's module is imported when it is used, so that `--help` stays quick."""

import importlib
import sys
import traceback

import rich_click as click

from nexusflow import __version__

VERBS = {
    "init": "Write a commented gateway.yaml to start from.",
    "check": "Validate a gateway.yaml and explain what is wrong.",
    "build": "Compile gateway.yaml into an artifact that `serve` runs.",
    "serve": "Serve the built artifact.",
    "worker": "Carry images and videos to their end without serving.",
    "dev": "Serve, watch gateway.yaml, and swap on every good edit.",
    "demo": "Build, serve, and send one real streamed chat.",
    "simulate": "Run the built-in simulated provider.",
    "prices": "Compare prices with a published catalogue.",
    "explain": "Show the page of a diagnostic, such as NF203.",
    "keys": "Create, list, change, rotate and revoke API keys.",
    "operators": "Say who may use the console, and in which role.",
    "accounts": "Manage organisations, teams and users.",
    "credit": "Pay money into an organisation's wallet.",
    "refund": "Give back what a request was charged.",
    "budgets": "Set bounds on spending.",
    "limits": "Show and agree on rate limits; decide on requests for more.",
    "top": "Show what the gateway does now, in the terminal.",
    "logs": "Show calls as they end.",
    "usage": "Show what was used and what it cost.",
    "ledger": "Prove that the money adds up; restore its counters.",
    "tasks": "Show, watch, cancel and settle images and videos.",
    "route": "Explain which lane a request would take.",
    "dashboards": "Write dashboards, alert rules and runbooks for Grafana and Prometheus.",
    "losses": "Show what a model's providers cannot take from clients of other protocols.",
}


class Verbs(click.RichGroup):
    """Finds verbs by name without importing all of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"nexusflow.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nexusflow")
def main() -> None:
    """A self-hosted AI gateway, compiled from one gateway.yaml.

    New here? Run `nexusflow demo`.
    """


def run() -> None:
    """The entry point: every failure ends as one sentence and an exit code, a bug also with its traceback."""
    try:
        main()
    except Exception as error:
        if _is_expected(error):
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        traceback.print_exc()
        click.echo(f"error: this is a bug in NexusFlow {__version__}, please report it with the lines above", err=True)
        sys.exit(3)


def _is_expected(error: Exception) -> bool:
    """Failures that speak of the user's files, ports and stores, whose texts say what to do."""
    from nexusflow.accounts.model import AccountProblem
    from nexusflow.keys.model import KeyProblem
    from nexusflow.loading import ArtifactRefused
    from nexusflow.serving import AddressTaken
    from nexusflow.store import StoreError
    from nexusflow.telemetry.sender import TracesRefused
    from nexusflow.testing.ports import NotStarted

    problems = AccountProblem | KeyProblem | NotStarted | AddressTaken | TracesRefused
    return isinstance(error, ArtifactRefused | StoreError | problems)
