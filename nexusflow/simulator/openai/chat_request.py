"""Reading a chat (protocols 1.2)."""

from collections.abc import Iterable, Iterator
from typing import Any

from nexusflow.simulator.asked import Asked, Choice, Part, Tool, Turn, identify, merged
from nexusflow.simulator.openai.chat_body import (
    Assistant,
    Audio,
    Body,
    CalledFunction,
    ChosenAllowed,
    ChosenFunction,
    File,
    FormatJson,
    FormatSchema,
    FunctionAnswer,
    FunctionTool,
    Image,
    Message,
    Refusal,
    Text,
    ToolAnswer,
    User,
)
from nexusflow.simulator.openai.chat_rules import check
from nexusflow.simulator.shape import fit
from nexusflow.simulator.traits import Traits


def read(data: dict[str, Any], traits: Traits) -> tuple[Asked, Body]:
    """A chat. Raises `Misfit` or `Refused` where OpenAI, or this model, does not take it."""
    body = fit(data, Body)
    check(body, traits)
    return Asked(
        turns=merged(_turn(message) for message in body.messages),
        identity=identify(data),
        stream=bool(body.stream),
        tools=tuple(_tools(body)),
        choice=_choice(body),
        bound=body.max_completion_tokens or body.max_tokens,
        stops=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        count=body.n or 1,
        wants=_wants(body),
        chances=body.top_logprobs or 0 if body.logprobs else None,
        thinks=traits.thinks and body.reasoning_effort != "none",
    ), body


def _turn(message: Message) -> Turn:
    if isinstance(message, ToolAnswer | FunctionAnswer):
        called = message.tool_call_id if isinstance(message, ToolAnswer) else ""
        return Turn("user", (Part("result", id=called, parts=tuple(_parts(message.content))),))
    if isinstance(message, Assistant):
        thought = [Part("thought", message.reasoning_content)] if message.reasoning_content else []
        refusal = [Part("text", message.refusal)] if message.refusal else []
        return Turn("assistant", (*thought, *_parts(message.content), *refusal, *_calls(message)))
    return Turn("user" if isinstance(message, User) else "system", tuple(_parts(message.content)))


def _parts(content: str | Iterable[Text | Image | Audio | File | Refusal] | None) -> Iterator[Part]:
    if isinstance(content, str):
        yield Part("text", content)
        return
    for part in content or ():
        if isinstance(part, Refusal):
            yield Part("text", part.refusal)
            continue
        mark = part.prompt_cache_breakpoint.ttl if part.prompt_cache_breakpoint else None
        if isinstance(part, Text):
            yield Part("text", part.text, mark=mark)
        elif isinstance(part, Image):
            yield Part("image", part.image_url.url, mark=mark)
        elif isinstance(part, Audio):
            sound = part.input_audio
            yield Part("file", f"data:audio/{sound.format};base64,{sound.data}", mark=mark)
        else:
            yield Part("file", part.file.file_data or part.file.file_id or "", mark=mark)


def _calls(message: Assistant) -> Iterator[Part]:
    if message.function_call is not None:
        yield Part("call", message.function_call.arguments, message.function_call.name)
    for call in message.tool_calls or ():
        if isinstance(call, CalledFunction):
            yield Part("call", call.function.arguments, call.function.name, call.id)
        else:
            yield Part("call", call.custom.input, call.custom.name, call.id)


def _tools(body: Body) -> Iterator[Tool]:
    functions = [tool.function for tool in body.tools or () if isinstance(tool, FunctionTool)]
    for function in functions or body.functions or ():
        yield Tool(function.name, function.description or "", function.parameters)
    for tool in body.tools or ():
        if not isinstance(tool, FunctionTool):
            yield Tool(tool.custom.name, tool.custom.description or "", custom=True)


def _choice(body: Body) -> Choice:
    choice: Any = body.tool_choice if body.functions is None else body.function_call
    parallel = body.parallel_tool_calls is not False and body.functions is None
    if choice is None or choice == "auto":
        return Choice(parallel=parallel)
    if choice in ("none", "required"):
        return Choice(choice, parallel=parallel)
    if isinstance(choice, ChosenAllowed):
        allowed = choice.allowed_tools
        names = (one.function.name if isinstance(one, ChosenFunction) else one.custom.name for one in allowed.tools)
        return Choice(allowed.mode, frozenset(names), parallel)
    return Choice("named", frozenset((_named(choice),)), parallel)


def _named(choice: Any) -> str:
    """The name in any of the forms that name one tool."""
    for kind in ("function", "custom"):
        if hasattr(choice, kind):
            return str(getattr(choice, kind).name)
    return str(choice.name)


def _wants(body: Body) -> Any:
    if isinstance(body.response_format, FormatSchema):
        return body.response_format.json_schema.schema or {}
    return "json" if isinstance(body.response_format, FormatJson) else None
