"""What one lane's model takes, with every flag decided: the facts that writers translate by (protocols 6).

`gateway.yaml` says what differs; the compiler fills in the usual values of the provider's protocol. Vendors' dialects
are told apart by these values alone: there is no code per vendor.
"""

from typing import Literal

from msgspec import Struct

ReasoningShape = Literal["effort", "adaptive", "budget", "level", "toggle", "none"]


class ReasoningFlags(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the model is told to think.

    `shape`: `effort` (a word), `adaptive` (Claude: on, with an effort word), `budget` (tokens), `level` (Gemini's
    words), `toggle` (`enable_thinking`, on or off), `none` (it cannot be told). `values` are the words it takes, none
    means all; `always_on` cannot be switched off; `legacy_budget` also takes Anthropic's `budget_tokens`; `roundtrip`
    wants its reasoning text back in the history (Kimi, DeepSeek).
    """

    shape: ReasoningShape = "effort"
    values: tuple[str, ...] = ()
    always_on: bool = False
    legacy_budget: bool = False
    roundtrip: bool = False


class Capabilities(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every flag of one lane. Names as in protocols 6."""

    tools: bool = True
    parallel_tools: bool = True
    strict_tools: bool = True
    tool_choice_required: bool = True
    custom_tools: bool = False
    sampling: bool = True
    top_k: bool = False
    penalties: bool = True
    prefill: bool = False
    mid_system: bool = True
    developer_role: bool = False
    system_parts: bool = False
    stop_max: int | None = None
    n_max: int = 1
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    default_max_tokens: int | None = None
    max_output_tokens: int | None = None
    reasoning: ReasoningFlags = ReasoningFlags()
    structured_output: Literal["json_schema", "json_object", "none"] = "json_schema"
    input: tuple[str, ...] = ("text",)
    output: tuple[str, ...] = ("text",)
    image_url: bool = True
    pdf: bool = True
    logprobs: bool = False
    cache: Literal["none", "implicit", "anthropic", "openai-breakpoints"] = "implicit"
    stream_usage: Literal["option", "always", "never"] = "option"
    web_search: bool = False
    code_execution: bool = False
    function_call_ids: bool = False
    function_response_media: bool = False
    json_schema_tools: bool = True
    openai_api: Literal["chat", "responses", "auto"] = "chat"
    service_tiers: tuple[str, ...] = ()
    beta_allow: tuple[str, ...] | None = None
    embedding_dimensions: tuple[int, ...] = ()
    base64_embeddings: bool = True


class Destination(Struct, frozen=True, kw_only=True):
    """Where a request goes: the model's name and family there, and what it takes.

    `family` tells whose opaque reasoning state this model can read (protocols 2.0.4): the leading letters of its name.
    """

    model: str
    family: str
    capabilities: Capabilities
