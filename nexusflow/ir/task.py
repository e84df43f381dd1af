"""Images and videos to be made: what a caller wants, what came of it, without any wire form (contract 2.7, 2.8).

Everything here is JSON when it is stored with its task, so a newer version must still read what an older one wrote:
fields may be added with a default, never renamed.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Raw, Struct

MediaType = Literal["image", "video"]
State = Literal["queued", "submitting", "waiting", "succeeded", "failed", "cancelled", "expired", "unknown"]
"""`queued`: nothing was sent. `submitting`: it may have been. `waiting`: the provider works on it. `expired`: it did
not come to an end in time. `unknown`: nobody can tell what the provider did, nor what it will charge."""
FINAL: frozenset[State] = frozenset(("succeeded", "failed", "cancelled", "expired"))
"""States that a task never leaves. `unknown` is settled by an operator, or by what the provider says late."""


_CHAT = ("openai/chat-completions", "openai/responses", "google/generate-content")
_QUEUES = ("dashscope/tasks", "replicate/predictions", "fal/queue", "kling/videos")
MADE_BY: Mapping[MediaType, frozenset[str]] = {
    "image": frozenset((*_CHAT, *_QUEUES)),
    "video": frozenset((*_CHAT, *_QUEUES, "zhipu/videos", "minimax/videos", "xai/videos")),
}
"""The protocols of providers that can be asked for each; chat providers have an interface of their own for it."""


class Brief(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be made. Media is given as an http(s) URL or a `data:` URL with base64.

    `size` is WIDTHxHEIGHT in pixels, `resolution` such as 720P, `ratio` such as 16:9, `duration` whole seconds.
    `images` are pictures to edit or to follow, in order; `mask` marks what of the first may change. `first_frame` and
    `last_frame` begin and end a video; `video` is one to edit. `extra` holds parameters that only the provider knows.
    """

    type: MediaType
    prompt: str
    negative_prompt: str | None = None
    size: str | None = None
    n: int = 1
    seed: int | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    moderation: str | None = None
    input_fidelity: str | None = None
    resolution: str | None = None
    ratio: str | None = None
    duration: int | None = None
    audio: bool | None = None
    watermark: bool | None = None
    images: tuple[str, ...] = ()
    mask: str | None = None
    first_frame: str | None = None
    last_frame: str | None = None
    video: str | None = None
    user: str | None = None
    partials: int = 0
    """How many pictures of its progress somebody waits to see."""
    extra: dict[str, Raw] = {}

    @property
    def edits(self) -> bool:
        """Whether an image is made from others."""
        return self.type == "image" and bool(self.images)


class Output(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was made: behind `url` at the provider, or here as `data` (base64). `seconds` for a video."""

    url: str | None = None
    data: str | None = None
    mime: str | None = None
    seconds: float | None = None
    revised_prompt: str | None = None


class Sketch(Struct, frozen=True, kw_only=True):
    """A picture of how far an image has come: its number from 0, `data` (base64), and how it looks."""

    index: int
    data: str
    look: dict[str, str]


class Tokens(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider says that its images took, in tokens."""

    input_text: int = 0
    input_image: int = 0
    output: int = 0


class Made(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="made"):
    """The provider is done. What it reports of its own use is in `usage`, in its own words; None: it says nothing.

    `units` is what it says it charges for, where it says so: pieces for images, seconds for video. Fewer `outputs` than
    were asked for is no failure (U-40). Token counts are for models priced by tokens.
    """

    outputs: tuple[Output, ...]
    units: float | None = None
    input_text_tokens: int | None = None
    input_image_tokens: int | None = None
    output_tokens: int | None = None
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    usage: Raw | None = None

    @property
    def tokens(self) -> Tokens | None:
        """None where the provider does not tell."""
        counts = (self.input_text_tokens, self.input_image_tokens, self.output_tokens)
        if counts == (None, None, None):
            return None
        text, image, output = (count or 0 for count in counts)
        return Tokens(input_text=text, input_image=image, output=output)


class Running(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="running"):
    """The provider works on it under the name `handle`. `progress` in percent, where it says so.

    `queued`: it has not begun. `wait_s`: when it wants to be asked again.
    """

    handle: str
    progress: int | None = None
    queued: bool = False
    wait_s: float | None = None


class Failed(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="failed"):
    """The provider's verdict that nothing will come of it. `message` is fit to show.

    `code` is ours where there is one (`content_policy_violation`, `invalid_request`, `upstream_error`, `cancelled`,
    `expired`), else the provider's. `units`: what it charges nevertheless, by its own report.
    """

    message: str
    code: str = "upstream_error"
    units: float | None = None


Progress = Running | Made | Failed
