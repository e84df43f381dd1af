"""What all surfaces of images and videos share: who asks, for which model, and under which address we are known."""

import asyncio
import hashlib
import time

from msgspec import Raw

from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow.admit import admit
from nexusflow.flow.exchange import Phase
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.task import FINAL
from nexusflow.keys.model import Key
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.runtime import Runtime
from nexusflow.tasks import table
from nexusflow.tasks.accepting import TaskDesk
from nexusflow.tasks.lanes import MediaModel, Workshop
from nexusflow.tasks.model import Task
from nexusflow.wire import jsonedit
from nexusflow.wire.head import Head, inspect

RETRY_COUNT = b"x-stainless-retry-count"
"""By which the SDKs of OpenAI and Anthropic say that they send a request again."""
_LOOK_S = 0.25


class MediaSurface(Surface):
    """Base of the surfaces of one artifact that make images or videos. Their errors are in OpenAI's form."""

    errors = openai_errors
    protocol = "nexusflow/tasks"
    desk: TaskDesk
    workshop: Workshop

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.bounds = artifact.plan.server.request

    def bind(self, runtime: Runtime) -> None:
        """See `Surface.bind`."""
        super().bind(runtime)
        self.desk = runtime.task_desk(self.artifact)
        self.workshop = runtime.workshop(self.artifact)

    def admitted(self, call: Call) -> tuple[Head, Key]:
        """The head of a request and whose it is. Raises `RequestRefused`."""
        head = inspect(call.scope["headers"], self.bounds.max_headers)
        return head, admit(head.credential, self.runtime.keys)

    async def ended(self, call: Call, task: Task, new: bool) -> Task | None:
        """The task at its end, or as it is once nobody waits any longer; None where it is forgotten."""
        engine, seconds = self.runtime.engine, self.artifact.plan.server.tasks.wait_ms / 1000
        call.exchange.enter(Phase.FIRST_BYTE, seconds + 5)
        ends = time.monotonic() + seconds
        if new:
            await engine.ended(task.id, seconds)
        while True:
            found: Task | None = await engine.run(table.find, task.id)
            if found is None or found.state in FINAL or found.state == "unknown" or time.monotonic() >= ends:
                return found
            await asyncio.sleep(_LOOK_S)

    def base_url(self, call: Call) -> str:
        """Under which address the caller reaches this gateway."""
        known = self.artifact.plan.server.public_url
        if known is not None:
            return known
        host = next((value for name, value in call.scope["headers"] if name == b"host"), b"localhost")
        return f"{call.scope.get('scheme', 'http')}://{host.decode('latin-1')}"

    def find(self, raw: Raw | None, protocol: str) -> MediaModel:
        """The media model of that name. Raises `RequestRefused`: there is none, or not over this protocol."""
        name = jsonedit.as_text(raw) if raw is not None else None
        if raw is None or name is None:
            code = "missing_required_parameter" if raw is None else "invalid_type"
            said = "`model` is required" if raw is None else "`model` must be a string"
            raise refuse(Kind.PARAM, said, param="model", code=code)
        found = self.workshop.models.get(name)
        if found is not None and protocol in found.model.protocols:
            return found
        known = self.runtime.catalogue(self.artifact).get(bytes(jsonedit.text(name)))
        if known is None:
            raise refuse(Kind.MODEL, "The model does not exist. GET /v1/models lists the models.", param="model")
        offers = ", ".join(known.model.protocols)
        message = f"`{name}` makes no images or videos over {protocol}; it is offered over: {offers}"
        raise RequestRefused(refuse(Kind.PARAM, message, param="model", code="model_not_supported").problem)


def fingerprint(route: str, body: bytes) -> bytes:
    """What tells one request from another."""
    return hashlib.sha256(route.encode() + b"\n" + body).digest()


def repeats(head: Head) -> bool:
    """Whether an SDK says that it sends the same request again."""
    count = head.first(RETRY_COUNT) or b"0"
    return count.isdigit() and int(count) > 0
