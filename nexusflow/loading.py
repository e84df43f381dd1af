"""From a directory on disk to a proven artifact: hashes, ABI, import, app, smoke test. Anything wrong is a refusal."""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, ControllerRouterHandler
from msgspec import Struct

from nexusflow.admin import admin_routes, metrics_routes
from nexusflow.console import console_routes
from nexusflow.endpoints.account import account_routes
from nexusflow.endpoints.health import health_routes
from nexusflow.endpoints.limits import limit_routes
from nexusflow.endpoints.results import result_routes
from nexusflow.endpoints.surface import Surface
from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.plan import ABI, Plan
from nexusflow.protocols.anthropic.dialect import MESSAGES
from nexusflow.protocols.dialect import Errors
from nexusflow.protocols.gemini.dialect import GEMINI
from nexusflow.protocols.openai_chat.dialect import CHAT
from nexusflow.runtime import Runtime
from nexusflow.wire.ids import request_id

MANIFEST = "manifest.json"


class ArtifactRefused(Exception):
    """The artifact must not be served. The message says why and what to do."""


class Manifest(Struct, frozen=True):
    """`manifest.json`: what the artifact consists of. `files` maps names to `sha256:<hex>`."""

    abi: int
    generator: str
    digest: str
    plan: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An imported artifact, not yet bound to a process."""

    digest: str
    plan: Plan
    module: ModuleType
    handlers: Sequence[ControllerRouterHandler]
    endpoints: Sequence[Surface]


def load(directory: Path) -> Loaded:
    """Verify and import the artifact in `directory`. Raises `ArtifactRefused`."""
    manifest = _verify(directory)
    name = f"nexusflow_artifact_{manifest.digest[:12]}"
    try:
        module = _import(directory, name)
        return Loaded(manifest.digest, module.artifact.plan, module, module.handlers, module.endpoints)
    except Exception as error:
        forget(name)
        raise ArtifactRefused(f"the artifact in {directory} fails to load: {error!r}") from error


def forget(name: str) -> None:
    """Drop a module and its submodules, so that an old artifact is garbage once its last request ends."""
    for found in [one for one in sys.modules if one == name or one.startswith(name + ".")]:
        del sys.modules[found]


async def build_app(loaded: Loaded, runtime: Runtime) -> ASGIApp:
    """The Litestar app of an artifact, bound and smoke-tested. Raises `ArtifactRefused`."""
    try:
        for endpoint in loaded.endpoints:
            endpoint.bind(runtime)
        app = Litestar(
            route_handlers=[
                *loaded.handlers,
                *health_routes(runtime),
                *account_routes(runtime, loaded.plan.server),
                *limit_routes(runtime, loaded.module.artifact),
                *result_routes(runtime),
                *admin_routes(runtime, loaded.plan.server),
                *metrics_routes(runtime, loaded.plan.server),
                *console_routes(runtime, loaded.module.artifact),
            ],
            openapi_config=None,
            logging_config=None,
            exception_handlers={HTTPException: _not_here, Exception: _not_here},
        )
        await _smoke(app)
    except ArtifactRefused:
        raise
    except Exception as error:
        raise ArtifactRefused(f"the artifact {loaded.digest[:12]} does not start: {error!r}") from error
    return app


def _verify(directory: Path) -> Manifest:
    """Every file is what the build wrote, and there is no other (P-10)."""
    try:
        manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise ArtifactRefused(f"there is no artifact in {directory}; run `nexusflow build`") from None
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactRefused(f"{directory / MANIFEST} cannot be read: {error}; run `nexusflow build`") from error
    if manifest.abi != ABI:
        raise ArtifactRefused(f"the artifact has ABI {manifest.abi}, this version serves {ABI}; run `nexusflow build`")
    present = {path.name for path in directory.iterdir() if path.is_file()} - {MANIFEST}
    if present != manifest.files.keys():
        odd = ", ".join(sorted(present ^ manifest.files.keys()))
        raise ArtifactRefused(f"files added to or missing from {directory}: {odd}; run `nexusflow build`")
    for name, expected in manifest.files.items():
        found = "sha256:" + hashlib.sha256((directory / name).read_bytes()).hexdigest()
        if found != expected:
            raise ArtifactRefused(f"{directory / name} was changed after the build; run `nexusflow build`")
    return manifest


def _import(directory: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(
        name, directory / "__init__.py", submodule_search_locations=[str(directory)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{directory} is not a package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _no_bytecode():
        spec.loader.exec_module(module)
    return module


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """The verified directory stays as it is: no cache files in it, and none read that were not verified."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _not_here(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Routing failures in the form of the address's protocol; what escaped a surface is an internal error (G56)."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        problem = Problem(kind=Kind.ROUTE, message="There is nothing at this address.")
    elif status == 405:
        problem = Problem(kind=Kind.METHOD, message="The address does not take this method.")
    elif status < 500:
        problem = Problem(kind=Kind.PARAM, message="The request is not valid.", status=status)
    else:
        problem = Problem(kind=Kind.INTERNAL, message="An internal error occurred.")
    errors = _errors_at(request.url.path)
    made = request_id()
    return Response(
        errors.envelope(problem, made),
        status_code=errors.status(problem),
        media_type="application/json",
        headers={"x-request-id": made},
    )


def _errors_at(path: str) -> Errors:
    """The error forms of the protocol that an address looks like."""
    if path.startswith("/v1/messages"):
        return MESSAGES.errors
    return GEMINI.errors if path.startswith("/v1beta/models") else CHAT.errors


async def _smoke(app: ASGIApp) -> None:
    """A request without a key must reach the surface and be refused by it, in form; health must answer."""
    for method, path, expected in (
        ("POST", "/v1/chat/completions", 401),
        ("GET", "/v1/models", 401),
        ("GET", "/admin/v1/organisations", 401),
        ("GET", "/healthz", 200),
    ):
        status = await _call(app, method, path)
        if status != expected:
            raise ArtifactRefused(f"smoke test: {method} {path} answered {status}, expected {expected}")


async def _call(app: ASGIApp, method: str, path: str) -> int:
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "state": {},
        "extensions": {},
    }
    await app(scope, receive, send)
    return statuses[0] if statuses else 0
