"""Bodies of `POST /v1/images/…`. Source: OpenAI's OpenAPI description of August 2026 (protocols 1.7)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from nexusflow.protocols.tasks.wire import Text, Word


class ImageRequest(Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/images/generations`, and the fields of the forms of `edits` and `variations`.

    `negative_prompt`, `seed` and `watermark` are not OpenAI's; models of other providers take them (contract 2.7).
    """

    model: str
    prompt: Text
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: Annotated[str, Meta(pattern=r"^(auto|[1-9][0-9]{1,4}x[1-9][0-9]{1,4})$")] | None = None
    quality: Word | None = None
    style: Word | None = None
    background: Word | None = None
    moderation: Word | None = None
    output_format: Word | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    input_fidelity: Word | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    stream: bool | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    negative_prompt: Annotated[str, Meta(max_length=32_000)] | None = None
    seed: Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)] | None = None
    watermark: bool | None = None
