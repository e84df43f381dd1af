"""`nexusflow`: the group of verbs. A verb's module is imported when it is used, so that `--help` stays quick."""

import importlib

import rich_click as click

from nexusflow import __version__

VERBS = {
    "init": "Write a commented gateway.yaml to start from.",
    "check": "Validate a gateway.yaml and explain what is wrong.",
    "build": "Compile gateway.yaml into an artifact that `serve` runs.",
    "serve": "Serve the built artifact.",
    "dev": "Serve, watch gateway.yaml, and swap on every good edit.",
    "demo": "Build, serve, and send one real streamed chat.",
    "simulate": "Run the built-in simulated provider.",
    "explain": "Show the page of a diagnostic, such as NF203.",
    "keys": "Create, list and revoke API keys.",
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
