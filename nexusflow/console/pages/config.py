"""What is served, what refused to be, and whether another gateway.yaml would do."""

import asyncio
import hashlib

from litestar import Controller, Response, get, post

from nexusflow.console.desk import Asked, Console, Desk, Who
from nexusflow.console.render import page
from nexusflow.ir.plan import Plan
from nexusflow.operators import Operator


class Config(Controller):
    """The live artifact, and a place to try a file."""

    path = "/config"

    @get("/")
    async def show(self, desk: Console, who: Who) -> Response[str]:
        """The page."""
        return _page(desk, who)

    @post("/check", status_code=200)
    async def check(self, request: Asked, desk: Console, who: Who) -> Response[str]:
        """What the compiler says of the pasted file, and what it would change. Nothing is kept or built."""
        text = str((await request.form()).get("text", "")).replace("\r\n", "\n")
        said, plan = await asyncio.to_thread(_compiled, text)
        changes = differences(desk.artifact.plan, plan) if plan is not None else []
        return _page(desk, who, text=text, said=said, changes=changes, good=plan is not None)


def differences(now: Plan, then: Plan) -> list[str]:
    """What would be another: models added, gone or changed, and providers."""
    found = []
    for what, old, new in (
        ("model", {one.id: one for one in now.models}, {one.id: one for one in then.models}),
        ("provider", {one.id: one for one in now.providers}, {one.id: one for one in then.providers}),
    ):
        found += [f"{what} {name} would be added" for name in sorted(new.keys() - old.keys())]
        found += [f"{what} {name} would be gone" for name in sorted(old.keys() - new.keys())]
        found += [f"{what} {name} would change" for name in sorted(new.keys() & old.keys()) if new[name] != old[name]]
    if now.prices != then.prices:
        found.append("prices would change")
    if now.server != then.server:
        found.append("settings of the process would change; some of them need a restart")
    return found


def _compiled(text: str) -> tuple[str, Plan | None]:
    # The compiler and its libraries are loaded by those gateways alone whose operators use this.
    from codegen.compiler import compile_source
    from codegen.render import render
    from codegen.source import Source

    source = Source("gateway.yaml", text)
    compiled = compile_source(source)
    return render(compiled.diagnostics, source) or "Nothing to object to.", compiled.plan


def _page(
    desk: Desk,
    who: Operator,
    *,
    text: str = "",
    said: str | None = None,
    changes: list[str] | None = None,
    good: bool = False,
) -> Response[str]:
    plan = desk.artifact.plan
    return page(
        "config.html",
        who,
        swaps=desk.runtime.swaps,
        digest=hashlib.sha256(plan.canonical()).hexdigest(),
        plan=plan,
        text=text,
        said=said,
        changes=changes,
        good=good,
    )
