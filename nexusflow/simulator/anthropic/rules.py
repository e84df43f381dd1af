"""What Anthropic, a version of its API, or a model refuses in a request as a whole (protocols 0.1, 0.7, 1.4.1)."""

from collections.abc import Iterator
from typing import Any

from nexusflow.simulator.anthropic.body import (
    BETA,
    Adaptive,
    AnyTool,
    Body,
    Cache,
    ClientTool,
    Counted,
    CustomTool,
    Disabled,
    Enabled,
    Message,
    OneTool,
    Redacted,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from nexusflow.simulator.anthropic.message_rules import Run, blocks_of, check_blocks, check_pairs, runs
from nexusflow.simulator.anthropic.vendor import invalid
from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.traits import MAX_OUTPUT, Traits

SECOND_VERSION = "2026-10-21"
VERSIONS = ("2023-06-01", SECOND_VERSION)
MARKS = 4


def check(body: Counted, traits: Traits, version: str | None, *, beta: bool) -> None:
    """Raises `Refused` with the first thing that is not taken."""
    if version not in VERSIONS:
        reason = "header is required" if version is None else f'"{version}" is not a valid version'
        raise Refused(invalid(f"anthropic-version: {reason}"))
    joined = runs(body.messages)
    failures = (
        _beta(body, beta),
        _roles(body.messages, traits),
        check_blocks(body.messages, documents=version != SECOND_VERSION),
        _texts(body, version),
        check_pairs(joined),
        _tools(body),
        _marks(body),
        _thinking(body, traits, joined),
        _effort(body, traits),
        _sampling(body, traits, version) if isinstance(body, Body) else (),
        _ending(body, traits, joined),
    )
    for failure in (failure for found in failures for failure in found):
        raise Refused(failure)


def _beta(body: Counted, beta: bool) -> Iterator[Failure]:
    if not beta:
        for name in BETA:
            if getattr(body, name, None):
                yield invalid(f"{name}: Extra inputs are not permitted")
    if isinstance(body, Body) and body.thread:  # it keeps nothing between requests
        yield Failure("invalid", "thread: this request cannot be threaded", "thread_unsupported_request")


def _roles(messages: list[Message], traits: Traits) -> Iterator[Failure]:
    if not messages:
        yield invalid("messages: at least one message is required")
    for at, message in enumerate(messages):
        if message.role != "system":
            continue
        if not traits.newest:
            said = 'Unexpected role "system". The Messages API accepts a top-level `system` parameter,'
            yield invalid(f'messages: {said} not "system" as an input message role.')
        if at == 0 or messages[at - 1].role != "user":
            yield invalid(f"messages.{at}: a `system` message must follow a `user` message")


def _texts(body: Counted, version: str) -> Iterator[Failure]:
    if isinstance(body.system, list) and not all(block.text for block in body.system):
        yield invalid("system: text content blocks must be non-empty")
    for at, message in enumerate(body.messages if version == SECOND_VERSION else ()):
        for number, block in enumerate(blocks_of(message)):
            if message.role == "user" and isinstance(block, Text) and block.citations:
                yield invalid(f"messages.{at}.content.{number}.text.citations: Extra inputs are not permitted")


def _tools(body: Counted) -> Iterator[Failure]:
    named = [tool.name for tool in body.tools if isinstance(tool, CustomTool | ClientTool)]
    if len(set(named)) < len(named):
        yield invalid("tools: Tool names must be unique.")
    for at, tool in enumerate(body.tools):
        if not isinstance(tool, CustomTool):
            continue
        place = f"tools.{at}.custom.input_schema"
        if tool.input_schema.get("type") != "object":
            reason = "Input should be 'object'" if "type" in tool.input_schema else "Field required"
            yield invalid(f"{place}.type: {reason}")
        if any(key in tool.input_schema for key in ("oneOf", "allOf", "anyOf")):
            yield invalid(f"{place}: input_schema does not support oneOf, allOf, or anyOf at the top level")
        if tool.strict:
            yield from (invalid(f"tools.{at}.custom: {fault}") for fault in _faults(tool.input_schema))
    if body.tool_choice is not None and not body.tools:
        yield invalid("tool_choice: may only be specified while providing `tools`.")
    if isinstance(body.tool_choice, OneTool) and body.tool_choice.name not in named:
        yield invalid(f"tool_choice.name: Tool '{body.tool_choice.name}' not found in provided tools")


_UNSUPPORTED = {
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems"),
}


def _faults(schema: Any) -> Iterator[str]:
    """What of a schema the model cannot be constrained by."""
    if isinstance(schema, list):
        for part in schema:
            yield from _faults(part)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind == "object" and schema.get("additionalProperties") is not False:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    for key in _UNSUPPORTED.get(kind, ()) if isinstance(kind, str) else ():
        if key in schema:
            yield f"For '{kind}' type, property '{key}' is not supported"
    for key in ("properties", "$defs", "definitions"):
        yield from _faults(list(schema.get(key, {}).values()))
    for key in ("items", "anyOf", "allOf", "oneOf"):
        yield from _faults(schema.get(key))


def _marks(body: Counted) -> Iterator[Failure]:
    found = list(_caches(body))
    if len(found) > MARKS:
        yield invalid(f"A maximum of {MARKS} blocks with cache_control may be provided. Found {len(found)}.")
    kept = [cache.ttl for cache in found]
    if "5m" in kept and "1h" in kept[kept.index("5m") :]:
        said = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
        yield invalid(f"{said} Note that blocks are processed in the following order: `tools`, `system`, `messages`.")


def _caches(body: Counted) -> Iterator[Cache]:
    """All marks, in the order of the prompt."""
    system = body.system if isinstance(body.system, list) else []
    in_messages = [block for message in body.messages for block in blocks_of(message)]
    for part in (*body.tools, *system, *in_messages, body):
        cache = getattr(part, "cache_control", None)
        if cache is not None:
            yield cache


def _thinking(body: Counted, traits: Traits, joined: list[Run]) -> Iterator[Failure]:
    thinking = body.thinking
    if thinking is None or (isinstance(thinking, Disabled) and traits.may_rest):
        return
    kind = thinking.__struct_config__.tag
    if not traits.thinks:
        yield invalid(f"thinking: {kind} thinking is not supported on this model")
    if traits.newest and isinstance(thinking, Enabled | Disabled):
        said = f'"thinking.type.{kind}" is not supported for this model.'
        yield invalid(f'{said} Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.')
    if isinstance(thinking, Enabled):
        yield from _enabled(body, thinking, joined)


def _enabled(body: Counted, thinking: Enabled, joined: list[Run]) -> Iterator[Failure]:
    """What a budget for thinking excludes."""
    if isinstance(body, Body):
        if thinking.budget_tokens >= body.max_tokens:
            yield invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
        if body.temperature not in (None, 1):
            yield invalid("`temperature` may only be set to 1 when thinking is enabled.")
        if body.top_p is not None and body.top_p < 0.95:
            yield invalid("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
        if body.top_k is not None:
            yield invalid("`top_k` must be unset when thinking is enabled.")
    if isinstance(body.tool_choice, AnyTool | OneTool):
        yield invalid("Thinking may not be enabled when tool_choice forces tool use.")
    answers = any(isinstance(block, ToolResult) for block in joined[-1].blocks) if joined else False
    spoken = [run for run in joined if run.role == "assistant"]
    open_turn = spoken[-1:] if answers or (joined and joined[-1].role == "assistant") else []
    for run in open_turn:
        first = run.blocks[0] if run.blocks else None
        if not isinstance(first, Thinking | Redacted) and (first is None or _calls(run) or run is joined[-1]):
            found = first.__struct_config__.tag if first is not None else "nothing"
            yield invalid(
                f"messages.{run.at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. "
                "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceding "
                "the lastmost set of `tool_use` and `tool_result` blocks). "
                "To avoid this requirement, disable `thinking`."
            )


def _calls(run: Run) -> bool:
    return any(isinstance(block, ToolUse) for block in run.blocks)


def _effort(body: Counted, traits: Traits) -> Iterator[Failure]:
    config = body.output_config
    levels = [effort for effort in traits.efforts if effort not in ("none", "minimal")]
    if config is None:
        return
    if config.effort is not None and not levels:
        yield invalid("This model does not support the effort parameter.")
    elif config.effort is not None and config.effort not in levels:
        said = f"This model does not support effort level '{config.effort}'."
        yield invalid(f"{said} Supported levels: {', '.join(sorted(levels))}.")
    if config.format is not None:
        yield from (invalid(f"output_config.format.schema: {fault}") for fault in _faults(config.format.schema))


def _sampling(body: Body, traits: Traits, version: str) -> Iterator[Failure]:
    if body.max_tokens > MAX_OUTPUT:
        said = f"max_tokens: {body.max_tokens} > {MAX_OUTPUT}, which is the maximum allowed number of output tokens"
        yield invalid(f"{said} for {body.model}")
    for name in ("temperature", "top_p", "top_k"):
        if getattr(body, name) is None:
            continue
        if version == SECOND_VERSION:
            yield invalid(f"{name}: Extra inputs are not permitted")
        if traits.newest:
            yield invalid(f"`{name}` is deprecated for this model.")
    if traits.thinks and body.temperature is not None and body.top_p is not None:
        yield invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if not all(stop.strip() for stop in body.stop_sequences or ()):
        yield invalid("stop_sequences: each stop sequence must contain non-whitespace")


def _ending(body: Counted, traits: Traits, joined: list[Run]) -> Iterator[Failure]:
    """A prefill: the beginning of an answer that the model is to go on from."""
    if not joined or joined[-1].role != "assistant":
        return
    if traits.newest:
        said = "This model does not support assistant message prefill. The conversation must end with a user message."
        yield invalid(said)
    last = joined[-1].blocks[-1] if joined[-1].blocks else None
    if isinstance(last, Text) and last.text != last.text.rstrip():
        yield invalid("messages: final assistant content cannot end with trailing whitespace")
    if isinstance(last, Thinking | Redacted) and not isinstance(body.thinking, Adaptive | Enabled):
        yield invalid("messages: the final block in an assistant message cannot be `thinking`.")
