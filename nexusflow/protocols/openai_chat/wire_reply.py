"""Typed wire forms of Chat Completions answers, whole and streamed, as providers really send them.

A superset of protocols 1.2.3 and 1.2.4: compatible providers add members, leave required ones out and send null for
empty. What none of them needs is not listed and costs nothing to skip.
"""

from typing import Annotated

from msgspec import Meta, Raw, Struct

ABSENT = Raw()
"""The value of a raw member that is missing. A present one that says nothing is `null`."""
Place = Annotated[int, Meta(ge=0, le=127)]
"""Which of at most 128 answers (protocols 1.2.1). Writers open every answer below the one they are told of, so that a
provider's number without bound would be work without bound."""


def says(raw: Raw) -> bool:
    """Whether a raw member is there and not null."""
    return raw is not ABSENT and bytes(raw) != b"null"


class Function(Struct, frozen=True, gc=False):
    """`arguments` is JSON text by the protocol; some servers send the object itself."""

    name: str | None = None
    arguments: str | dict[str, Raw] | None = None


class Custom(Struct, frozen=True, gc=False):
    """A call of a custom tool, or its fragment."""

    name: str | None = None
    input: str | None = None


class Google(Struct, frozen=True, gc=False):
    """Google's extension: the opaque state of a part (protocols 2.0.4)."""

    thought_signature: str | None = None


class ExtraContent(Struct, frozen=True, gc=False):
    """Where Google's compatible endpoint puts it."""

    google: Google | None = None


class Call(Struct, frozen=True, gc=False):
    """A tool call, or a streamed fragment of one."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    custom: Custom | None = None
    extra_content: ExtraContent | None = None


class Detail(Struct, frozen=True, gc=False, omit_defaults=True):
    """One element of `reasoning_details`: `reasoning.text`, `.summary` or `.encrypted`."""

    type: str | None = None
    index: int | None = None
    id: str | None = None
    format: str | None = None
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None


class UrlCitation(Struct, frozen=True, gc=False):
    """Offsets count characters of the whole content."""

    url: str | None = None
    title: str | None = None
    content: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Annotation(Struct, frozen=True, gc=False):
    """Only `url_citation` is known."""

    type: str | None = None
    url_citation: UrlCitation | None = None


class ImageUrl(Struct, frozen=True, gc=False):
    """A data URL, of an image that the model made."""

    url: str | None = None


class Piece(Struct, frozen=True, gc=False):
    """One element of content that is a list, as Mistral's reasoning models send it. `thinking` is a list of texts."""

    type: str | None = None
    text: str | None = None
    thinking: "str | list[Piece] | None" = None
    image_url: ImageUrl | str | None = None


class Audio(Struct, frozen=True, gc=False):
    """Sound that the model made, or a fragment of it: data and transcript are to be joined."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class TokenLogprob(Struct, frozen=True, gc=False):
    """One sampled token."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: "list[TokenLogprob] | None" = None


class Logprobs(Struct, frozen=True, gc=False):
    """The chat form. Servers that send the form of the older completions say nothing here."""

    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class Message(Struct, frozen=True, gc=False):
    """A whole message, or the delta of one.

    The same reasoning may come as `reasoning_content`, `reasoning` or `reasoning_details`, and in two of them at once.
    """

    content: str | list[Raw] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    annotations: list[Annotation] | None = None
    images: list[Piece] | None = None
    audio: Audio | None = None
    extra_content: ExtraContent | None = None


class Choice(Struct, frozen=True, gc=False):
    """One answer, or one step of it. Perplexity sends `message` beside `delta`; only the latter counts in a stream.

    `stop_reason` and `matched_stop` name the stop sequence that was hit, or the number of a token.
    """

    index: Place | None = None
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    logprobs: Raw = ABSENT
    stop_reason: Raw = ABSENT
    matched_stop: Raw = ABSENT
    stop_sequence: Raw = ABSENT
    error: Raw = ABSENT
    usage: Raw = ABSENT


class Groq(Struct, frozen=True, gc=False):
    """Groq's own member, which in streams may hold the only usage."""

    usage: Raw = ABSENT


class Answer(Struct, frozen=True, gc=False):
    """A whole answer, or one chunk of a stream.

    `citations` and `search_results` are Perplexity's sources of the whole answer, which its chunks repeat.
    """

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[Choice] | None = None
    usage: Raw = ABSENT
    service_tier: str | None = None
    system_fingerprint: str | None = None
    error: Raw = ABSENT
    citations: Raw = ABSENT
    search_results: Raw = ABSENT
    x_groq: Groq | None = None


class Source(Struct, frozen=True, gc=False):
    """One of Perplexity's search results."""

    url: str | None = None
    title: str | None = None
