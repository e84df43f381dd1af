"""Typed wire forms of Gemini answers and frames. Source: protocols 1.5.2, 1.5.3 and recorded traffic.

Every field may be missing, and a frame is a partial answer of the same form. What no field here names is either kept
raw (a part of another kind) or of no use to a client of another protocol.
"""

from typing import Annotated

from msgspec import Meta, Raw, Struct

from nexusflow.protocols.gemini.usage import UsageMark

ABSENT = Raw()
"""A raw field that did not come: the decoder takes no `Raw | None`."""
Place = Annotated[int, Meta(ge=0, le=127)]
"""Which candidate. Bounded, since writers open every answer below the one they are told of."""


def some(raw: Raw) -> Raw | None:
    """A raw field, if it came and is not null."""
    return None if bytes(raw) in (b"", b"null") else raw


class PartialArg(Struct, frozen=True, gc=False):
    """A piece of an argument that is still being written, at a JSON path such as `$.steps[2]`."""

    jsonPath: str = "$"
    stringValue: str | None = None
    numberValue: int | float | None = None
    boolValue: bool | None = None
    willContinue: bool | None = None


class Call(Struct, frozen=True):
    """A function call, whole or (on Vertex) in pieces."""

    name: str | None = None
    args: Raw = ABSENT
    id: str | None = None
    partialArgs: list[PartialArg] | None = None
    willContinue: bool | None = None


class Blob(Struct, frozen=True, gc=False):
    """Bytes in base64."""

    mimeType: str = "application/octet-stream"
    data: str = ""


class Part(Struct, frozen=True):
    """One part, as far as it is of a kind that other protocols have too."""

    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None
    functionCall: Call | None = None
    inlineData: Blob | None = None


class Content(Struct, frozen=True):
    """The answer's parts."""

    parts: list[Part] | None = None


class RawContent(Struct, frozen=True):
    """The same, for the parts whose kind is not known."""

    parts: list[Raw] | None = None


class Token(Struct, frozen=True, gc=False):
    """One sampled token."""

    token: str = ""
    logProbability: float = 0.0


class Tokens(Struct, frozen=True):
    """The likeliest tokens of one step."""

    candidates: list[Token] | None = None


class LogprobsResult(Struct, frozen=True):
    """What was sampled, and what might have been."""

    chosenCandidates: list[Token] | None = None
    topCandidates: list[Tokens] | None = None


class Candidate(Struct, frozen=True):
    """One answer, or a piece of it. A missing index is the only candidate's."""

    content: Content | None = None
    index: Place | None = None
    finishReason: str | None = None
    finishMessage: str | None = None
    groundingMetadata: Raw = ABSENT
    citationMetadata: Raw = ABSENT
    urlContextMetadata: Raw = ABSENT
    safetyRatings: Raw = ABSENT
    continuationToken: Raw = ABSENT
    logprobsResult: LogprobsResult | None = None


class RawCandidate(Struct, frozen=True):
    """A candidate with its parts as they came."""

    content: RawContent | None = None


class PromptFeedback(Struct, frozen=True, gc=False):
    """Why a prompt was blocked."""

    blockReason: str | None = None
    blockReasonMessage: str | None = None


class Frame(Struct, frozen=True):
    """An answer, or a frame of a stream."""

    candidates: list[Candidate] | None = None
    usageMetadata: UsageMark | None = None
    modelVersion: str | None = None
    responseId: str | None = None
    promptFeedback: PromptFeedback | None = None
    error: Raw = ABSENT


class RawFrame(Struct, frozen=True):
    """A frame with its parts as they came."""

    candidates: list[RawCandidate] | None = None
