"""DashScope, the interface of Alibaba Cloud's Model Studio to Wan, Qwen-Image, HappyHorse and PixVerse.

Source: https://www.alibabacloud.com/help/en/model-studio/ (references of text-to-image, image editing, text-to-video,
image-to-video by first frame and by first and last frame, and of asynchronous tasks). Older image models and all videos
are tasks, started with the header `X-DashScope-Async` and asked for by their id; newer image models take a message and
answer at once. A task of several pictures has succeeded when one of them has. There is no reference of our own, so a
lost submission stays unknown; only what is PENDING can be cancelled.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Output, Progress, Running
from nexusflow.protocols.common import provider_errors
from nexusflow.protocols.common.provider_errors import Said
from nexusflow.protocols.common.provider_text import redact
from nexusflow.protocols.gemini.reply_wire import some
from nexusflow.protocols.makers import dashscope_body, reading
from nexusflow.protocols.makers.maker import Answer, Request

_ASYNC = (("x-dashscope-async", "enable"),)
_RUNNING = ("PENDING", "RUNNING", "SUSPENDED")
_POLICY = re.compile(r"Data_?Inspection|Inappropriate|IPInfringement", re.IGNORECASE)
_STATUS = {"Arrearage": 402, "ModelNotFound": 404, "InvalidApiKey": 401}
"""What these codes mean, whatever status they come with."""


class _Item(Struct, frozen=True):
    url: Any = None
    actual_prompt: Any = None
    code: Any = None
    message: Any = None


class _Said(Struct, frozen=True):
    content: Any = None


class _Choice(Struct, frozen=True):
    message: _Said | None = None


class _Output(Struct, frozen=True):
    task_id: Any = None
    task_status: Any = None
    results: list[_Item] | None = None
    choices: list[_Choice] | None = None
    video_url: Any = None
    actual_prompt: Any = None
    code: Any = None
    message: Any = None


class _Answer(Struct, frozen=True):
    output: _Output | None = None
    usage: Raw = Raw()
    code: Any = None
    message: Any = None


_answer = msgspec.json.Decoder(_Answer)
_any = msgspec.json.Decoder()


class DashScope(reading.Forgetful):
    """Images and videos alike."""

    id = "dashscope/tasks"
    type: MediaType | None = None
    poll_s: tuple[float, float] = (3.0, 5.0)
    wants_bytes = False

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One request, in the form of the model's family."""
        path, body = dashscope_body.write(brief, to)
        later = () if path == dashscope_body.SYNC else _ASYNC
        return (Request(path=f"/services/aigc/{path}", body=body, headers=later),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """A task, or the pictures themselves."""
        return _read(brief, answers[0].body, None)

    def poll(self, handle: str, to: Destination) -> Request:
        """The state of a task."""
        return Request(method="GET", path=f"/tasks/{reading.segment(handle)}")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The state, and what was made. Raises `ValueError` for a task that is not known (any more)."""
        return _read(brief, answer.body, handle)

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """Only what has not begun can be cancelled; anything else answers so, and goes on."""
        return Request(path=f"/tasks/{reading.segment(handle)}/cancel")

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """A flat object of code and message."""
        try:
            found = reading.decode(_answer, body)
        except (ValueError, msgspec.MsgspecError):
            found = _Answer()
        code, message = reading.word(found.code) or "", reading.word(found.message)
        if _POLICY.search(code):
            return Problem(kind=Kind.CONTENT, message=redact(message or "The provider's filter refused it."))
        return provider_errors.problem(_STATUS.get(code, status), Said(message=message, code=code or None), retry_after)


MAKER = DashScope()


def _read(brief: Brief, body: bytes, handle: str | None) -> Progress:
    found = reading.decode(_answer, body)
    output = found.output
    if output is None:
        if reading.word(found.code):
            return _failed(found.code, found.message)
        raise ValueError("the answer has no output")
    status = output.task_status
    if status in ("FAILED", "CANCELED"):
        return _failed("cancelled" if status == "CANCELED" else output.code, output.message)
    if status == "SUCCEEDED" or (status is None and output.choices is not None):
        return _made(brief, output, some(found.usage))
    if status in _RUNNING:
        return Running(handle=handle or reading.handle(output.task_id), queued=status == "PENDING")
    raise ValueError("the answer has a status that no task has")


def _made(brief: Brief, output: _Output, usage: Raw | None) -> Progress:
    report = reading.decode(_any, bytes(usage)) if usage is not None else None
    told = report if isinstance(report, dict) else {}
    length = _first(told, "output_video_duration", "video_duration", "duration")
    outputs = [
        Output(url=url, revised_prompt=reading.word(one.actual_prompt))
        for one in output.results or ()
        if (url := reading.address(one.url)) is not None
    ]
    outputs += [Output(url=url) for choice in output.choices or () for url in _pictures(choice)]
    video, prompt = reading.address(output.video_url), reading.word(output.actual_prompt)
    if video is not None:
        outputs.append(Output(url=video, mime="video/mp4", seconds=length, revised_prompt=prompt))
    if not outputs:
        broken = next((one for one in output.results or () if reading.word(one.code)), _Item())
        return _failed(broken.code, broken.message or "The provider answered without a result.")
    charged = _first(told, "duration", "video_duration", "output_video_duration")
    pieces = reading.count(told.get("image_count"))
    units = charged if brief.type == "video" else float(pieces) if pieces else None
    return Made(outputs=tuple(outputs), units=units, usage=usage)


def _first(told: dict[str, Any], *names: str) -> float | None:
    """The first length that is told; `duration` is what is charged, with that of a video that was given."""
    return next((length for name in names if (length := reading.seconds(told.get(name))) is not None), None)


def _pictures(choice: _Choice) -> list[str]:
    content = choice.message.content if choice.message is not None else None
    parts = content if isinstance(content, list) else []
    return [url for part in parts if isinstance(part, dict) and (url := reading.address(part.get("image"))) is not None]


def _failed(code: Any, message: Any) -> Failed:
    failed = reading.failed(message, code)
    if _POLICY.search(reading.word(code) or ""):
        return Failed(message=failed.message, code=reading.CONTENT)
    return failed
