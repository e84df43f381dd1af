"""What OpenAI refuses in a chat though each of its fields is well-formed (protocols 1.2.1, 1.2.2)."""

from collections.abc import Iterator

from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.openai.chat_body import (
    Assistant,
    Body,
    ChosenAllowed,
    ChosenCustom,
    ChosenFunction,
    CustomTool,
    FormatSchema,
    FunctionTool,
    Message,
    ToolAnswer,
    User,
)
from nexusflow.simulator.openai.schema import strict_fault
from nexusflow.simulator.openai.vendor import beyond, invalid, unsupported
from nexusflow.simulator.traits import MAX_OUTPUT, Traits


def check(body: Body, traits: Traits) -> None:
    """Raises `Refused` with the first thing that OpenAI, or this model, does not take."""
    for failure in (*_dependent(body), *_answers(body.messages), *_schemas(body), *_refused_by(body, traits)):
        raise Refused(failure)


def _dependent(body: Body) -> Iterator[Failure]:
    """Fields that need another one."""
    if body.stream_options is not None and not body.stream:
        yield invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if body.top_logprobs is not None and not body.logprobs:
        yield invalid("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if not body.tools and not body.functions:
        for name in ("tool_choice", "parallel_tool_calls"):
            if getattr(body, name) is not None and body.tool_choice != "none":
                said = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                yield invalid(said, name)
    names = {_name(tool) for tool in body.tools or ()}
    choice = body.tool_choice
    for one in choice.allowed_tools.tools if isinstance(choice, ChosenAllowed) else [choice]:
        if isinstance(one, ChosenFunction | ChosenCustom) and _name(one) not in names:
            yield invalid(f"Tool choice '{_name(one)}' not found in 'tools' parameter.", "tool_choice")
    for name in ("max_tokens", "max_completion_tokens"):
        if (getattr(body, name) or 0) > MAX_OUTPUT:
            said = f"{name} is too large: {getattr(body, name)}. This model supports at most {MAX_OUTPUT}."
            yield invalid(said, name, code="invalid_value")
    if body.max_tokens is not None and body.max_completion_tokens is not None:
        yield invalid("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")


def _name(tool: FunctionTool | CustomTool | ChosenFunction | ChosenCustom) -> str:
    return tool.function.name if isinstance(tool, FunctionTool | ChosenFunction) else tool.custom.name


def _answers(messages: list[Message]) -> Iterator[Failure]:
    """Each call is answered right behind it, and nothing else is."""
    open_calls: dict[str, None] = {}
    for at, message in enumerate(messages):
        if isinstance(message, ToolAnswer):
            if message.tool_call_id not in open_calls:
                said = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
                yield invalid(f"Invalid parameter: {said}", "messages", at, "role")
            open_calls.pop(message.tool_call_id, None)
            continue
        yield from _unanswered(open_calls)
        open_calls = {}
        if isinstance(message, Assistant):
            if message.content is None and not (message.tool_calls or message.function_call or message.refusal):
                said = "Expected a string or an array of content parts, got null instead."
                yield invalid(f"Invalid value for 'content': {said}", "messages", at, "content")
            open_calls = {call.id: None for call in message.tool_calls or ()}
    yield from _unanswered(open_calls)


def _unanswered(calls: dict[str, None]) -> Iterator[Failure]:
    if calls:
        yield invalid(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(calls)}",
            "messages",
        )


def _schemas(body: Body) -> Iterator[Failure]:
    """Schemas that are to be strict and cannot be."""
    wanted = body.response_format
    if isinstance(wanted, FormatSchema) and wanted.json_schema.strict:
        fault = strict_fault(wanted.json_schema.schema)
        if fault:
            said = f"Invalid schema for response_format '{wanted.json_schema.name}': {fault}"
            yield invalid(said, "response_format")
    for at, tool in enumerate(body.tools or ()):
        if isinstance(tool, FunctionTool) and tool.function.strict:
            fault = strict_fault(tool.function.parameters)
            if fault:
                said = f"Invalid schema for function '{tool.function.name}': {fault}"
                yield invalid(said, "tools", at, "function", "parameters", code="invalid_function_parameters")


def _refused_by(body: Body, traits: Traits) -> Iterator[Failure]:
    """What this model does not take."""
    effort = body.reasoning_effort
    if effort is not None and not traits.thinks:
        yield unsupported("reasoning_effort")
    if effort is not None and effort not in traits.efforts:
        yield beyond("reasoning_effort", effort, ", ".join(map(repr, traits.efforts)))
    if not traits.thinks and any(isinstance(one, Assistant) and one.reasoning_content for one in body.messages):
        yield invalid("Unknown parameter: 'messages.reasoning_content'.", code="unknown_parameter")
    functions = any(isinstance(tool, FunctionTool) for tool in body.tools or ())
    if functions and not traits.chat_tools and effort != "none":
        said = "Function tools with reasoning_effort are not supported for this model in /v1/chat/completions."
        yield invalid(f"{said} Please use /v1/responses instead.", "reasoning_effort")
    if not traits.newest:
        for name in ("prompt_cache_options",) if body.prompt_cache_options else _breakpoints(body):
            yield unsupported(name)
        return
    if body.max_tokens is not None:
        said = "Unsupported parameter: 'max_tokens' is not supported with this model."
        yield invalid(f"{said} Use 'max_completion_tokens' instead.", "max_tokens", code="unsupported_parameter")
    for name in ("temperature", "top_p"):
        if getattr(body, name) not in (None, 1):
            yield beyond(name, getattr(body, name), "only the default (1)")
    for name in ("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "stop"):
        if getattr(body, name):
            yield unsupported(name)


def _breakpoints(body: Body) -> Iterator[str]:
    for message in body.messages:
        parts = message.content if isinstance(message, User) and isinstance(message.content, list) else ()
        if any(part.prompt_cache_breakpoint is not None for part in parts):
            yield "prompt_cache_breakpoint"
