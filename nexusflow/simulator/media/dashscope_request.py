"""What DashScope is asked for: read as strictly as its models take it."""

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.media.dashscope_rules import (
    CLIPS,
    LINES,
    NEW,
    RATIOS,
    SYNC,
    Rule,
    clip_size,
    image_fits,
    measure,
    rule_of,
)
from nexusflow.simulator.media.desk import Desk
from nexusflow.simulator.media.orders import Kind, Order
from nexusflow.simulator.media.works import Subject

Seed = Annotated[int, Meta(ge=0, le=2147483647)]


class Part(Struct):
    """A text or an image in a message."""

    text: str | None = None
    image: str | None = None


class Message(Struct):
    """One message; there is exactly one."""

    role: str
    content: list[Part]


class Medium(Struct):
    """One of `input.media`."""

    type: str
    url: str


class Input(Struct):
    """What it is made of."""

    prompt: str | None = None
    messages: list[Message] | None = None
    negative_prompt: str | None = None
    img_url: str | None = None
    images: list[str] | None = None
    first_frame_url: str | None = None
    last_frame_url: str | None = None
    reference_urls: list[str] | None = None
    media: list[Medium] | None = None


class Parameters(Struct):
    """How it is made; what is not here is not looked at."""

    size: str | None = None
    n: int | None = None
    seed: Seed | None = None
    negative_prompt: str | None = None
    prompt_extend: bool | None = None
    watermark: bool | None = None
    audio: bool | None = None
    resolution: str | None = None
    ratio: str | None = None
    duration: int | None = None


class Body(Struct):
    """The whole request."""

    model: str
    input: Input
    parameters: Parameters | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is taken."""

    order: Order
    subject: Subject
    resolution: str = ""
    ratio: str = ""


def read_call(desk: Desk, path: str) -> Call:
    """The request that came to a path below `/api/v1/services/aigc/`. Raises `Refused` and `Misfit`."""
    body, asked = desk.read(Body), desk.json()
    kind: Kind = "video" if "video" in path else "image"
    order = desk.order(kind, body.model)
    rule = rule_of(order.name)
    if path not in rule.paths:
        raise Refused(Failure("invalid", "url error, please check url!"))
    parameters = Parameters() if body.parameters is UNSET else body.parameters
    spoken = path in (SYNC, NEW)
    prompt = _spoken(body.input, edits="edit" in order.name) if spoken else _written(body.input, rule)
    if kind == "image":
        return Call(order, _image(rule, prompt, parameters, asked))
    return _video(rule, order, prompt, parameters, asked)


def _spoken(given: Input, *, edits: bool) -> str:
    """The prompt of a request in messages."""
    if given.messages is None or len(given.messages) != 1 or given.messages[0].role != "user":
        raise _invalid("input.messages should contain exactly one message of role user")
    parts = given.messages[0].content
    texts = [part.text for part in parts if part.text]
    if len(texts) != 1:
        raise _invalid("input.messages[0].content should contain exactly one non-empty text")
    if edits and not any(part.image for part in parts):
        raise _invalid("input.messages[0].content should contain at least one image")
    return texts[0]


def _written(given: Input, rule: Rule) -> str:
    for name in rule.wants:
        if not getattr(given, name):
            raise _invalid(f"Required input parameter missing from request: {name}")
    for medium in given.media or ():
        if medium.type not in rule.media:
            raise _invalid(f"input.media.type should be one of {list(rule.media)}, got {medium.type!r}")
    pictures = (given.img_url, given.first_frame_url, given.last_frame_url, *(one.url for one in given.media or ()))
    for url in (*pictures, *(given.images or ()), *(given.reference_urls or ())):
        if url is not None and not url.startswith(("http://", "https://", "oss://", "data:")):
            raise _invalid("url error, please check url!")
    if given.prompt is None and "prompt" in rule.wants:
        raise _invalid("Required input parameter missing from request: prompt")
    return given.prompt or ""


def _image(rule: Rule, prompt: str, parameters: Parameters, asked: Any) -> Subject:
    size = parameters.size or rule.size
    measured = measure(size)
    if measured is None or not image_fits(rule, size):
        raise _invalid(f"The size does not match the allowed size{_allowed(rule)}: {size}")
    count = 1 if parameters.n is None else parameters.n
    if not 1 <= count <= rule.most:
        raise _invalid(f"n should be between 1 and {rule.most}, got {count}")
    return Subject(prompt=prompt, asked=asked, count=count, width=measured[0], height=measured[1], seed=parameters.seed)


def _allowed(rule: Rule) -> str:
    return f" {sorted(rule.sizes)}" if rule.sizes is not None else ""


def _video(rule: Rule, order: Order, prompt: str, parameters: Parameters, asked: Any) -> Call:
    seconds = rule.seconds[0] if parameters.duration is None else parameters.duration
    if parameters.duration is None and 5 in rule.seconds:
        seconds = 5
    if seconds not in rule.seconds:
        raise _invalid(f"duration should be one of {list(rule.seconds)}, got {seconds}")
    if rule.by == "size" or (rule.by == "either" and parameters.size):
        resolution, ratio, (width, height) = _sized(rule, parameters.size)
    else:
        resolution, ratio = parameters.resolution or rule.resolutions[-1], parameters.ratio or "16:9"
        if resolution not in rule.resolutions or resolution not in LINES:
            raise _invalid(f"resolution should be one of {list(rule.resolutions)}, got {resolution!r}")
        if ratio not in RATIOS:
            raise _invalid(f"ratio should be one of {list(RATIOS)}, got {ratio!r}")
        width, height = clip_size(resolution, ratio)
    subject = Subject(prompt=prompt, asked=asked, width=width, height=height, seconds=seconds, seed=parameters.seed)
    return Call(order, subject, resolution, ratio)


def _sized(rule: Rule, size: str | None) -> tuple[str, str, tuple[int, int]]:
    wanted = size or "1920*1080"
    resolution = next((name for name, sizes in CLIPS.items() if wanted in sizes and name in rule.resolutions), None)
    measured = measure(wanted)
    if resolution is None or measured is None:
        allowed = sorted(one for name in rule.resolutions if name in CLIPS for one in CLIPS[name])
        raise _invalid(f"The size does not match the allowed size {allowed}: {wanted}")
    width, height = measured
    ratio = min(RATIOS, key=lambda name: abs(RATIOS[name][0] / RATIOS[name][1] - width / height))
    return resolution, ratio, measured


def _invalid(said: str) -> Refused:
    return Refused(Failure("invalid", said))
