"""Typed wire forms of Gemini requests. Source: Google's `generateContent` reference of November 2026 (protocols 1.5.1).

The request is validated with these structs and forwarded from its raw fields, so a struct lists what we check and
leaves everything else alone. Attributes are spelled as on the wire, so that generated artifacts narrow
`GenerationConfig` by the very names a caller writes. Bodies pass through `keys` first: only camelCase arrives here.
"""

from typing import Annotated, TypeVar

from msgspec import Meta, Raw, Struct

from nexusflow.wire.jsonedit import Fields

MAX_INT32 = 2_147_483_647

_T = TypeVar("_T")


class Blob(Struct, frozen=True, gc=False):
    """Inline bytes; the data itself is not looked at."""

    mimeType: str = ""


class FileData(Struct, frozen=True, gc=False):
    """A file by address."""

    fileUri: str
    mimeType: str = ""


class FunctionName(Struct, frozen=True, gc=False):
    """What a call and its response must have."""

    name: str | None = None


class Part(Struct, frozen=True):
    """One part. Exactly one data field is set; fields that are not listed are the provider's business."""

    text: str | None = None
    inlineData: Blob | None = None
    fileData: FileData | None = None
    functionCall: FunctionName | None = None
    functionResponse: FunctionName | None = None
    thoughtSignature: str | None = None


class Content(Struct, frozen=True):
    """One turn. Google takes a single part where a list is meant, and a missing role as the user's."""

    parts: list[Part] | Part | None = None
    role: str | None = None


class FunctionDeclaration(Struct, frozen=True, gc=False):
    """A function the caller runs."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]


class Tool(Struct, frozen=True):
    """Functions, or one of Google's own tools, which are forwarded."""

    functionDeclarations: list[FunctionDeclaration] | FunctionDeclaration | None = None
    googleSearch: Fields | None = None
    googleSearchRetrieval: Fields | None = None
    enterpriseWebSearch: Fields | None = None
    googleMaps: Fields | None = None


HOSTED = ("googleSearch", "googleSearchRetrieval", "enterpriseWebSearch", "googleMaps")
"""Those of Google's own tools that cost extra."""


class ThinkingConfig(Struct, frozen=True, gc=False):
    """How to think. `thinkingBudget` is in tokens: 0 is off, -1 leaves it to the model."""

    includeThoughts: bool | None = None
    thinkingBudget: Annotated[int, Meta(ge=-1, le=1_000_000_000)] | None = None
    thinkingLevel: str | None = None


class GenerationConfig(Struct, frozen=True, kw_only=True):
    """`generationConfig`. Ranges are the protocol's; artifacts narrow them per model."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    topP: Annotated[float, Meta(ge=0, le=1)] | None = None
    topK: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    maxOutputTokens: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    candidateCount: Annotated[int, Meta(ge=1, le=128)] | None = None
    stopSequences: Annotated[list[str], Meta(max_length=64)] | None = None
    seed: Annotated[int, Meta(ge=-MAX_INT32 - 1, le=MAX_INT32)] | None = None
    presencePenalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequencyPenalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    responseLogprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    responseMimeType: str | None = None
    responseModalities: list[str] | None = None
    thinkingConfig: ThinkingConfig | None = None


class GenerateRequest(Struct, frozen=True, kw_only=True):
    """The body of `:generateContent` and `:streamGenerateContent`.

    `contents` and `systemInstruction` may be bare strings, and single objects may stand for lists.
    """

    contents: str | Content | Annotated[list[Content], Meta(min_length=1)]
    generationConfig: GenerationConfig | None = None
    systemInstruction: str | Content | None = None
    tools: list[Tool] | Tool | None = None
    toolConfig: dict[str, Raw] | None = None
    safetySettings: list[dict[str, Raw]] | None = None
    cachedContent: str | None = None
    labels: dict[str, str] | None = None
    serviceTier: str | None = None
    store: bool | None = None
    continuationToken: str | None = None
    model: str | None = None


def several(value: list[_T] | _T | None) -> list[_T]:
    """A list, of a value that may stand alone."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
