"""`nexusflow route explain MODEL`: which lane of a model a request would take, and why, without a gateway running."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import rich_click as click

from nexusflow.cli import report
from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.tables import print_json

if TYPE_CHECKING:
    from nexusflow.endpoints.taken import Accounts, Explainable
    from nexusflow.flow.explained import Explained
    from nexusflow.ir.plan import Model, Provider
    from nexusflow.keys.model import Key
    from nexusflow.loading import Loaded
    from nexusflow.upstream.transport import Transport


@click.group()
def route() -> None:
    """Where requests go."""


@route.command()
@click.argument("model")
@click.option(
    "--request", type=click.File("rb"), metavar="FILE", help="The body of the request; `-` reads it from stdin."
)
@click.option(
    "--protocol", metavar="NAME", help="The client's, such as anthropic/messages.  [default: the model's first]"
)
@click.option("--key", "handle", metavar="KEY", help="Who asks: the id, name or prefix of a key.")
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="A gateway.yaml, instead of what is built."
)
@click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
@data_option
def explain(
    model: str, request: IO[bytes] | None, protocol: str | None, handle: str | None, file: Path | None,
    as_json: bool, place: Place,
) -> None:  # fmt: skip
    """Tell which lanes of MODEL a request would take, in which order and why, its limits, and what is held for it.

    It is told of the built gateway.yaml, by the code that serves, from this command's environment. Nothing is sent. All
    lanes count as healthy and idle, and all limits as untouched. Without --request it is a small one, without --key
    one of a caller on no plan. A request that the gateway would refuse ends the command with exit code 2.
    """
    from nexusflow.cli.route_words import print_explained, print_refusal
    from nexusflow.endpoints.taken import protocol_of
    from nexusflow.flow.explained import Refused

    loaded = _compiled(file) if file is not None else _built()
    found = next((one for one in loaded.plan.models if model in (one.id, *one.aliases)), None)
    if found is None:
        click.echo(f"error: {file or 'the built gateway.yaml'} has no model {model}", err=True)
        sys.exit(report.USAGE)
    surface = _surface(loaded, found, protocol)
    spoken = protocol_of(surface)
    body = _body(found, spoken, request)
    try:
        with _asker(handle, place) as (key, accounts):
            told = _explained(surface, model, body, key, accounts)
    except Refused as refused:
        if as_json:
            print_json({"model": found.id, "protocol": spoken, "refused": refused.told})
        else:
            print_refusal(refused.told)
        sys.exit(report.USAGE)
    (print_json if as_json else print_explained)(told)


def _built() -> "Loaded":
    from nexusflow.loading import load
    from nexusflow.settings import Settings

    return load(Settings.read().build / "current")


def _compiled(file: Path) -> "Loaded":
    """As `build` would make it, in a folder that goes away."""
    from codegen import compile_file, emit
    from codegen.write import write_artifact
    from nexusflow.loading import load

    compiled = compile_file(file)
    if compiled.plan is None:
        report.show(compiled)
        sys.exit(report.FINDINGS)
    with tempfile.TemporaryDirectory() as folder:
        return load(write_artifact(Path(folder), emit(compiled.plan)))


def _surface(loaded: "Loaded", model: "Model", protocol: str | None) -> "Explainable":
    from nexusflow.endpoints.taken import Explainable, protocol_of

    found = {protocol_of(one): one for one in loaded.endpoints if isinstance(one, Explainable)}
    offered = [one for one in (*model.protocols, *model.requests) if one in found and one in model.requests]
    wanted = protocol if protocol is not None else next(iter(offered), None)
    if wanted is None:
        raise click.UsageError(f"{model.id} is offered over no protocol whose requests this version routes.")
    if wanted not in found:
        raise click.UsageError(f"{wanted} is none of: {', '.join(found)}.")
    return found[wanted]


def _body(model: "Model", protocol: str, request: IO[bytes] | None) -> bytes:
    """The request as it stands in the file, which must be one for this model; or a small one."""
    import msgspec

    from nexusflow.cli.route_words import hello
    from nexusflow.wire import jsonedit

    if request is None:
        return msgspec.json.encode(hello(protocol, model))
    body = request.read()
    try:
        named = jsonedit.split(body).get("model")
    except jsonedit.InvalidJSON:
        return body  # the gateway says what is wrong with it
    name = jsonedit.as_text(named) if named is not None else None
    if name is not None and name not in (model.id, *model.aliases):
        raise click.UsageError(f"The request is one for `{name}`, not for `{model.id}`.")
    return body


@contextmanager
def _asker(handle: str | None, place: Place) -> "Iterator[tuple[Key, Accounts | None]]":
    from nexusflow.accounts.directory import Directory
    from nexusflow.endpoints.explain import NOBODY
    from nexusflow.endpoints.taken import Accounts
    from nexusflow.keys import KeyTable
    from nexusflow.keys.model import wall_ms
    from nexusflow.responses.table import ResponseTable

    if handle is None:
        yield NOBODY, None
        return
    with opened_database(place) as (database, pepper):
        table = KeyTable(database, pepper)
        key = table.find(handle)
        if (status := key.status(wall_ms())) != "active":
            raise click.UsageError(f"The key {key.name} ({key.id}) is {status}: all its requests are refused.")
        yield table.find(key.replaced_by or key.id), Accounts(Directory(database), ResponseTable(database))


def _explained(surface: "Explainable", model: str, body: bytes, key: "Key", accounts: "Accounts | None") -> "Explained":
    from nexusflow.endpoints.explain import explain as explained

    return asyncio.run(explained(surface, _Unreached(), model, body, key, accounts))


class _Unreached:
    """Providers that nobody connects to."""

    def __init__(self) -> None:
        from nexusflow.upstream.pool import Pool

        self._pool = Pool()

    def connect(self, provider: "Provider") -> "Transport":
        """A transport that is never used, and opens nothing before it is."""
        return self._pool.connect(provider)

    def base_url(self, provider: "Provider") -> str:
        """As gateway.yaml has it."""
        return provider.base_url
