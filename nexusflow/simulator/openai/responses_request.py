"""Reading a Responses request (protocols 1.3)."""

from collections.abc import Iterator
from typing import Any

from nexusflow.simulator.asked import Asked, Choice, Part, Role, Tool, Turn, identify, merged
from nexusflow.simulator.openai.responses_body import (
    Body,
    ChosenAllowed,
    Custom,
    CustomCall,
    CustomOutput,
    FormatJson,
    FormatSchema,
    Function,
    FunctionCall,
    FunctionOutput,
    Hosted,
    InputFile,
    InputImage,
    InputText,
    Item,
    Message,
    OutputText,
    Reasoning,
    Refusal,
    shape,
)
from nexusflow.simulator.openai.responses_rules import check
from nexusflow.simulator.traits import Traits

LOGPROBS = "message.output_text.logprobs"
ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def read(data: dict[str, Any], traits: Traits, before: list[Any]) -> tuple[Asked, Body]:
    """A request that goes on from the items `before`.

    Raises `Misfit` or `Refused` where OpenAI, or this model, does not take it.
    """
    given = data.get("input")
    items = [*before, *(given if isinstance(given, list) else _message(given))] if before else given
    body = shape(data if not before else {**data, "input": items}, items if isinstance(items, list) else None)
    check(body, traits)
    effort = body.reasoning.effort if body.reasoning else None
    system = [Turn("system", (Part("text", body.instructions),))] if body.instructions else []
    said = [Turn("user", (Part("text", body.input),))] if isinstance(body.input, str) else map(_turn, body.input)
    return Asked(
        turns=merged([*system, *said]),
        identity=identify(data),
        stream=bool(body.stream),
        tools=tuple(_tools(body)),
        choice=_choice(body),
        bound=body.max_output_tokens,
        wants=_wants(body),
        chances=body.top_logprobs or 0 if LOGPROBS in (body.include or ()) else None,
        thinks=traits.thinks and effort != "none",
        shows=body.reasoning is not None and bool(body.reasoning.summary or body.reasoning.generate_summary),
    ), body


def _message(given: Any) -> list[Any]:
    return [] if given is None else [{"role": "user", "content": given}]


def _turn(item: Item) -> Turn:
    if isinstance(item, Message):
        return Turn(ROLES[item.role], tuple(_parts(item.content)))
    if isinstance(item, FunctionCall | CustomCall):
        given = item.arguments if isinstance(item, FunctionCall) else item.input
        return Turn("assistant", (Part("call", given, item.name, item.call_id),))
    if isinstance(item, FunctionOutput | CustomOutput):
        return Turn("user", (Part("result", id=item.call_id, parts=tuple(_parts(item.output))),))
    if isinstance(item, Reasoning):
        return Turn("assistant", tuple(Part("thought", part.get("text", "")) for part in item.summary))
    return Turn("assistant", ())


def _parts(content: str | list[Any]) -> Iterator[Part]:
    if isinstance(content, str):
        yield Part("text", content)
        return
    for part in content:
        point = getattr(part, "prompt_cache_breakpoint", None)
        mark = point.ttl if point else None
        if isinstance(part, InputText | OutputText):
            yield Part("text", part.text, mark=mark)
        elif isinstance(part, Refusal):
            yield Part("text", part.refusal)
        elif isinstance(part, InputImage):
            yield Part("image", part.image_url or part.file_id or "", mark=mark)
        elif isinstance(part, InputFile):
            yield Part("file", part.file_data or part.file_url or part.file_id or "", mark=mark)


def _tools(body: Body) -> Iterator[Tool]:
    for tool in body.tools or ():
        if isinstance(tool, Function):
            yield Tool(tool.name, tool.description or "", tool.parameters)
        elif isinstance(tool, Custom):
            yield Tool(tool.name, tool.description or "", custom=True)


def _choice(body: Body) -> Choice:
    choice, parallel = body.tool_choice, body.parallel_tool_calls is not False
    if choice is None or isinstance(choice, str):
        return Choice(choice or "auto", parallel=parallel)
    if isinstance(choice, Hosted):
        return Choice("none", parallel=parallel)
    if isinstance(choice, ChosenAllowed):
        names = frozenset(one.name for one in choice.tools if not isinstance(one, Hosted))
        return Choice(choice.mode, names, parallel)
    return Choice("named", frozenset((choice.name,)), parallel)


def _wants(body: Body) -> Any:
    wanted = body.text.format if body.text else None
    if isinstance(wanted, FormatSchema):
        return wanted.schema
    return "json" if isinstance(wanted, FormatJson) else None
