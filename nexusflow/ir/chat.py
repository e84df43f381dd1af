"""The canonical chat: what any chat protocol's request and answer mean, without its wire form.

Each protocol reads its wire form into these values and writes it from them, so N protocols need N readers and N
writers instead of N² translators. Nothing is lost in silence: what a protocol has and this model has not is kept in
`ext` or as an `Unknown` part with its `origin`, goes back only to that protocol, and is a `Loss` anywhere else.

JSON that we never look into (tool arguments, schemas, unknown blocks) stays text as it was received.
"""

from typing import Literal

from msgspec import Raw, Struct

Origin = Literal["openai/chat-completions", "openai/responses", "anthropic/messages", "google/generate-content"]
Ext = dict[str, Raw]
Role = Literal["system", "developer", "user", "assistant"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
FinishReason = Literal[
    "end", "stop_sequence", "tools", "length", "context", "pause", "refusal", "filter", "malformed", "empty"
]
"""Rows of protocols 2.1.7. `filter` covers recitation, blocklists and the like; `malformed` and `empty` are failures
for a client of another protocol."""


class CacheMark(Struct, frozen=True, gc=False):
    """The caller wants the prompt cached up to here. `ttl` is `5m`, `30m`, `1h`, `12h`, or None for the default."""

    ttl: str | None = None


class Opaque(Struct, frozen=True, gc=False):
    """Reasoning state that only its maker can read: an Anthropic signature or redacted block, a Gemini thought
    signature, Responses' encrypted content. `family` is the upstream model family it belongs to (protocols 2.0.4)."""

    origin: Origin
    family: str
    payload: str


class Citation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A source of the text part that carries it. `start` and `end` count characters of that part."""

    kind: Literal["url", "document"] = "url"
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    start: int | None = None
    end: int | None = None
    origin: Origin | None = None
    ext: Ext | None = None


class Text(Struct, frozen=True, kw_only=True, tag_field="part", tag="text", omit_defaults=True):
    """Plain text. `signature` is Gemini's, which may stand on a text part too."""

    text: str
    citations: tuple[Citation, ...] = ()
    signature: Opaque | None = None
    cache: CacheMark | None = None
    ext: Ext | None = None


class Refusal(Struct, frozen=True, tag_field="part", tag="refusal"):
    """The model's own words of refusal, where the protocol tells them from text."""

    text: str


class Data(Struct, frozen=True, gc=False, tag_field="source", tag="data"):
    """Bytes in standard base64, with a normalised MIME type such as `image/png`."""

    mime: str
    base64: str


class Url(Struct, frozen=True, gc=False, tag_field="source", tag="url"):
    """An http(s) address that the receiver would have to fetch."""

    url: str
    mime: str | None = None


class FileRef(Struct, frozen=True, gc=False, tag_field="source", tag="file"):
    """A file kept by the vendor of `origin`, meaningless to any other."""

    id: str
    origin: Origin
    mime: str | None = None


class Media(Struct, frozen=True, kw_only=True, tag_field="part", tag="media", omit_defaults=True):
    """An image, sound, video or document. `detail` is low, high, auto or original; `context` goes with a document."""

    kind: Literal["image", "audio", "video", "file"]
    source: Data | Url | FileRef
    detail: str | None = None
    name: str | None = None
    context: str | None = None
    transcript: str | None = None
    cite: bool = False
    signature: Opaque | None = None
    cache: CacheMark | None = None
    ext: Ext | None = None


class Document(Struct, frozen=True, kw_only=True, tag_field="part", tag="document", omit_defaults=True):
    """A document given as text: Anthropic's text and content documents and search results."""

    text: str
    title: str | None = None
    source: str | None = None
    context: str | None = None
    cite: bool = False
    cache: CacheMark | None = None
    ext: Ext | None = None


class Thinking(Struct, frozen=True, kw_only=True, tag_field="part", tag="thinking", omit_defaults=True):
    """Reasoning. `redacted` has no text that anybody may read; `summary` says that the text is one."""

    text: str
    signature: Opaque | None = None
    redacted: bool = False
    summary: bool = False
    id: str | None = None
    ext: Ext | None = None


class ToolCall(Struct, frozen=True, kw_only=True, tag_field="part", tag="tool_call", omit_defaults=True):
    """A call by the model. `arguments` is JSON text of an object; of a `custom` tool it is the bare input text."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    signature: Opaque | None = None
    cache: CacheMark | None = None
    ext: Ext | None = None


class ToolResult(Struct, frozen=True, kw_only=True, tag_field="part", tag="tool_result", omit_defaults=True):
    """What a tool answered, in the user turn after the call. `name` is filled in where the protocol has it."""

    call_id: str
    content: "tuple[Text | Media | Document | Unknown, ...]"
    name: str | None = None
    is_error: bool = False
    cache: CacheMark | None = None
    ext: Ext | None = None


class Unknown(Struct, frozen=True, kw_only=True, tag_field="part", tag="unknown"):
    """A block that only `origin` understands, whole; `type` is its own name there (`server_tool_use`)."""

    origin: Origin
    type: str
    raw: Raw


Part = Text | Refusal | Media | Document | Thinking | ToolCall | ToolResult | Unknown


class Turn(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message. `path` is where the caller wrote it, for errors and losses (`messages[3]`)."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    path: str = ""
    ext: Ext | None = None


class Tool(Struct, frozen=True, kw_only=True, tag_field="by", tag="caller", omit_defaults=True):
    """A tool the caller runs. `parameters` is a JSON Schema; a `custom` tool has `format` (raw JSON) instead.

    `namespaced` is the namespace and the name in it of a tool that the caller grouped; `name` is then made of both.
    """

    name: str
    description: str | None = None
    parameters: Raw | None = None
    strict: bool | None = None
    custom: bool = False
    format: Raw | None = None
    cache: CacheMark | None = None
    namespaced: tuple[str, str] | None = None
    path: str = ""
    ext: Ext | None = None


class HostedTool(Struct, frozen=True, kw_only=True, tag_field="by", tag="provider", omit_defaults=True):
    """A tool the provider runs. `kind` is ours where protocols agree (`web_search`), else None; `raw` is the whole."""

    origin: Origin
    type: str
    raw: Raw
    kind: Literal["web_search", "web_fetch", "code_execution"] | None = None
    path: str = ""


class ToolChoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows of protocols 2.1.3. `names` narrows the mode to a subset; one name with `required` forces that tool."""

    mode: Literal["auto", "required", "none"]
    names: tuple[str, ...] = ()


class Reasoning(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How hard to think, and what to show. None is unset. `budget` is in tokens (-1: the model decides)."""

    effort: Effort | None = None
    budget: int | None = None
    expose: Literal["none", "summary", "full"] | None = None
    path: str = ""


class OutputFormat(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The wanted shape of the answer. `schema` is a JSON Schema (raw JSON text)."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: Raw | None = None
    strict: bool | None = None
    path: str = ""


class Sampling(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sampling parameters; None is unset."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class ChatCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One chat request.

    `names` maps a canonical field to the caller's spelling of it (`max_tokens` -> `generationConfig.maxOutputTokens`),
    so that losses and refusals speak the caller's language; a field that is missing there is spelled as here.
    `tier` is default, flex, priority, fast, ultrafast or the caller's own word. `echo` holds the caller's own fields
    that its protocol repeats in the answer (Responses); it goes to no provider and is never a loss.
    """

    origin: Origin
    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool | HostedTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    n: int | None = None
    reasoning: Reasoning = Reasoning()
    format: OutputFormat | None = None
    verbosity: str | None = None
    modalities: tuple[str, ...] = ()
    tier: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    stream: bool = False
    include_usage: bool = False
    names: dict[str, str] = {}
    ext: Ext | None = None
    echo: Ext | None = None

    def spelled(self, field: str) -> str:
        """The caller's spelling of a canonical field."""
        return self.names.get(field, field)


class Finish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a candidate ended. `raw` is the provider's word, `sequence` the stop sequence hit, `text` an explanation."""

    reason: FinishReason
    raw: str | None = None
    sequence: str | None = None
    text: str | None = None
    category: str | None = None


class Logprob(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sampled token and the likeliest others."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: "tuple[Logprob, ...]" = ()


class Candidate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer. Tool calls stand among the parts in the order in which they were made."""

    parts: tuple[Part, ...]
    finish: Finish
    logprobs: tuple[Logprob, ...] | None = None
    ext: Ext | None = None
