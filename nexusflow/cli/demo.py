"""`nexusflow demo`: the gateway's main job, shown for real in one command."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli import report

if TYPE_CHECKING:
    from nexusflow.cli.stack import Stack
    from nexusflow.ir.plan import DatabaseAt, Model, Plan

PROMPT = "In one sentence: what does an AI gateway do?"


@click.command()
@report.file_argument
@click.option("--prompt", default=PROMPT, show_default=True, help="What to ask.")
@click.option("--model", "wanted", help="Public name of the model to ask. Default: a real one whose key is set.")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here instead of `gateway.port`.")
@click.option("--once", is_flag=True, help="Stop everything after the chat instead of leaving it running.")
def demo(file: Path, prompt: str, wanted: str | None, port: int | None, once: bool) -> None:
    """Compile FILE, start gateway and simulated provider on loopback, create a key, and stream one real chat.

    With a provider's key in the environment (OPENAI_API_KEY and so on) the chat goes to that provider; otherwise to
    the built-in simulated one, which says so in every answer. Both keep running until Ctrl-C.
    """
    from codegen import compile_file
    from nexusflow.cli.build import make_current
    from nexusflow.cli.stack import running_stack, usable_port

    compiled = compile_file(file)
    if compiled.plan is None:
        report.show(compiled)
        sys.exit(report.FINDINGS)
    plan = compiled.plan
    model = choose_model(plan, wanted)
    if model is None:
        click.echo(f"error: no model {wanted or 'that can answer a chat'} is available now", err=True)
        sys.exit(report.FINDINGS)
    build = file.parent.resolve() / "build"
    digest = make_current(plan, file, build)
    click.echo(f"1. compiled {file}: {len(plan.models)} models, artifact {digest[:12]}")
    key = _create_key(plan.server.database, file.parent.resolve())
    listen = usable_port("127.0.0.1", port or plan.server.port)
    simulate = any(provider.simulated for provider in plan.providers)
    log = build / "demo.log"
    with running_stack(build, "127.0.0.1", listen, simulate=simulate, log=log) as stack:
        click.echo(f"2. gateway on {stack.url}" + (f", simulated provider on {stack.simulator}" if simulate else ""))
        click.echo(f"3. created a key: {key}")
        ok = _chat(stack, key, model, prompt)
        if ok and not once:
            _leave_running(stack, key, model)
    sys.exit(report.CLEAN if ok else report.FINDINGS)


def choose_model(plan: "Plan", wanted: str | None) -> "Model | None":
    """The wanted model, else the cheapest whose real provider has its key, else the first simulated one."""
    from nexusflow.flow.served import readiness

    providers = {provider.id: provider for provider in plan.providers}
    ready = [
        (model, [providers[lane.provider] for lane in model.lanes if not readiness(lane, providers[lane.provider])])
        for model in plan.models
        if "openai/chat-completions" in model.requests
    ]
    usable = [(model, lanes) for model, lanes in ready if lanes]
    if wanted is not None:
        return next((model for model, _ in usable if wanted in (model.id, *model.aliases)), None)
    real = [model for model, lanes in usable if any(lane.credential is not None for lane in lanes)]
    real.sort(key=lambda model: plan.prices[model.price].tokens.output if model.price is not None else 0)
    simulated = [model for model, lanes in usable if lanes[0].simulated and "fault" not in model.id]
    return next(iter([*real, *simulated, *(model for model, _ in usable)]), None)


def _create_key(at: "DatabaseAt", root: Path) -> str:
    from nexusflow.keys import KeyTable, pepper_of, pepper_path
    from nexusflow.store import open_store

    with open_store(at, root) as opened:
        _, secret = KeyTable(opened, pepper_of(opened, pepper_path(at, root))).create("demo")
    return secret


def _chat(stack: "Stack", key: str, model: "Model", prompt: str) -> bool:
    from nexusflow.cli.stream_chat import Answer, stream_chat

    click.echo(f"4. streaming from {model.id}\n\n   > {prompt}\n   ", nl=False)
    answer = Answer(0, {})
    for piece in stream_chat(stack.host, stack.port, key, model.id, prompt, answer):
        click.echo(piece.replace("\n", "\n   "), nl=False)
    click.echo("\n")
    if answer.error is not None:
        click.echo(f"error: {answer.error} (status {answer.status}, request {answer.headers.get('x-request-id')})")
        return False
    usage = answer.usage
    simulated = " The provider is simulated." if answer.headers.get("x-nexusflow-simulated") else ""
    click.echo(
        f"   {usage.get('prompt_tokens', '?')} tokens in, {usage.get('completion_tokens', '?')} out, "
        f"request {answer.headers.get('x-request-id')}.{simulated}"
    )
    return True


def _leave_running(stack: "Stack", key: str, model: "Model") -> None:
    click.echo(f"""
Both keep running until Ctrl-C. Try it yourself:

  curl {stack.url}/v1/chat/completions \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{{"model": "{model.id}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

  from openai import OpenAI
  client = OpenAI(base_url="{stack.url}/v1", api_key="{key}")
  print(client.chat.completions.create(
      model="{model.id}", messages=[{{"role": "user", "content": "Hello"}}]).choices[0].message.content)
""")
    with contextlib.suppress(KeyboardInterrupt):
        stack.gateway.wait()
    click.echo(f"{os.linesep}stopped")
