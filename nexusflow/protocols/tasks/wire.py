"""The body of `POST /v1/tasks`. Artifacts narrow the struct to what a model takes."""

from typing import Annotated

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=32_000)]
Link = Annotated[str, Meta(min_length=1)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
SIZE = r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$"


class TaskRequest(Struct, frozen=True, kw_only=True):
    """Canonical names; `read` accepts their aliases (contract 3 row 7).

    `img_url` is the first frame of a video, `last_frame_url` its last; `reference_urls` are pictures to follow or, for
    an image, to edit; `video_url` is a video to edit. All of them are http(s) or `data:` URLs.
    """

    model: str
    prompt: Text
    negative_prompt: Annotated[str, Meta(max_length=32_000)] | None = None
    size: Annotated[str, Meta(pattern=SIZE)] | None = None
    n: Annotated[int, Meta(ge=1, le=64)] | None = None
    seed: Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)] | None = None
    resolution: Word | None = None
    ratio: Word | None = None
    duration: Annotated[int, Meta(ge=1, le=3_600)] | None = None
    img_url: Link | None = None
    last_frame_url: Link | None = None
    reference_urls: Annotated[list[Link], Meta(min_length=1, max_length=64)] | None = None
    video_url: Link | None = None
    mask_url: Link | None = None
    audio: bool | None = None
    watermark: bool | None = None
    quality: Word | None = None
    style: Word | None = None
    background: Word | None = None
    output_format: Word | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    webhook_url: Annotated[str, Meta(min_length=1, max_length=2_048)] | None = None
