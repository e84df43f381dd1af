"""What OpenAI refuses in a Responses request though each of its fields is well-formed (protocols 1.3)."""

import re
from collections.abc import Iterator

from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.openai.responses_body import (
    Body,
    ChosenAllowed,
    ChosenCustom,
    ChosenFunction,
    CustomCall,
    CustomOutput,
    FormatSchema,
    Function,
    FunctionCall,
    FunctionOutput,
    Hosted,
    Item,
    Message,
    OutputText,
    Reasoning,
    ReasoningOptions,
    Reference,
    Refusal,
)
from nexusflow.simulator.openai.schema import strict_fault
from nexusflow.simulator.openai.vendor import beyond, invalid, unsupported
from nexusflow.simulator.seal import holds
from nexusflow.simulator.traits import MAX_OUTPUT, Traits

ENCRYPTED = "reasoning.encrypted_content"
# Ids of this provider's own items that came behind a reasoning item carry an r.
BEHIND_REASONING = re.compile(r"(?:fc|ctc|msg)_simr([0-9a-f]{20})")


def check(body: Body, traits: Traits) -> None:
    """Raises `Refused` with the first thing that OpenAI, or this model, does not take."""
    items = body.input if isinstance(body.input, list) else []
    own = (_dependent(body), _parts(items), _pairs(items), _reasoning(items), _schemas(body))
    for failure in (failure for found in (*own, _refused_by(body, traits)) for failure in found):
        raise Refused(failure)


def _dependent(body: Body) -> Iterator[Failure]:
    if body.previous_response_id is not None and body.conversation is not None:
        yield invalid("Mutually exclusive parameters: 'previous_response_id' and 'conversation'.", code="invalid_value")
    if body.stream_options is not None and not body.stream:
        yield invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if (body.max_output_tokens or 0) > MAX_OUTPUT:
        said = f"max_output_tokens is too large: {body.max_output_tokens}. This model supports at most {MAX_OUTPUT}."
        yield invalid(said, "max_output_tokens", code="invalid_value")
    choice = body.tool_choice
    names = {tool.name for tool in body.tools or () if not isinstance(tool, Hosted)}
    for one in choice.tools if isinstance(choice, ChosenAllowed) else [choice]:
        if isinstance(one, ChosenFunction | ChosenCustom) and one.name not in names:
            yield invalid(f"Tool choice '{one.name}' not found in 'tools' parameter.", "tool_choice")
    if choice == "required" and not body.tools:
        yield invalid("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")


def _parts(items: list[Item]) -> Iterator[Failure]:
    """The parts that a message's role may have."""
    for at, item in enumerate(items):
        if isinstance(item, Reference):
            yield invalid(f"Item with id '{item.id}' not found.", "input")
        if not isinstance(item, Message) or isinstance(item.content, str):
            continue
        spoken = item.role == "assistant"
        for number, part in enumerate(item.content):
            if isinstance(part, OutputText | Refusal) != spoken:
                allowed = "'output_text' and 'refusal'" if spoken else "'input_text', 'input_image' and 'input_file'"
                said = f"Invalid value: '{part.__struct_config__.tag}'. Supported values are: {allowed}."
                yield invalid(said, "input", at, "content", number, code="invalid_value")


def _pairs(items: list[Item]) -> Iterator[Failure]:
    """Each call has one output behind it, and each output its call before it."""
    calls: dict[str, bool] = {}
    for item in items:
        if isinstance(item, FunctionCall | CustomCall):
            calls[item.call_id] = False
        elif isinstance(item, Hosted) and item.call_id is not None:
            calls.setdefault(item.call_id, True)
        elif isinstance(item, FunctionOutput | CustomOutput):
            if item.call_id not in calls:
                yield invalid(f"No tool call found for function call output with call_id {item.call_id}.", "input")
            calls[item.call_id] = True
    for call_id, answered in calls.items():
        if not answered:
            yield invalid(f"No tool output found for function call {call_id}.", "input")


def _reasoning(items: list[Item]) -> Iterator[Failure]:
    """Reasoning comes back whole, in its place, and from this provider."""
    thought: set[str] = set()
    for at, item in enumerate(items):
        if not isinstance(item, Reasoning):
            behind = BEHIND_REASONING.match(getattr(item, "id", None) or "")
            if behind and f"rs_sim{behind[1]}" not in thought:
                kind = item.__struct_config__.tag
                said = f"Item '{getattr(item, 'id', None)}' of type '{kind}' was provided without its required"
                yield invalid(f"{said} 'reasoning' item: 'rs_sim{behind[1]}'.", "input")
            continue
        thought.add(item.id or "")
        if item.encrypted_content is not None and not holds(item.encrypted_content, "responses", "reasoning"):
            said = f"The encrypted content for item {item.id} could not be verified."
            reason = "Encrypted content could not be decrypted or parsed."
            yield invalid(f"{said} Reason: {reason}", code="invalid_encrypted_content")
        following = items[at + 1] if at + 1 < len(items) else None
        spoken = isinstance(following, Message) and following.role == "assistant"
        if not spoken and not isinstance(following, FunctionCall | CustomCall | Hosted | Reasoning):
            yield invalid(
                f"Item '{item.id}' of type 'reasoning' was provided without its required following item.", "input"
            )


def _schemas(body: Body) -> Iterator[Failure]:
    wanted = body.text.format if body.text else None
    if isinstance(wanted, FormatSchema) and wanted.strict:
        fault = strict_fault(wanted.schema)
        if fault:
            said = f"Invalid schema for response_format '{wanted.name}': {fault}"
            yield invalid(said, "text", "format", "schema", code="invalid_json_schema")
    for at, tool in enumerate(body.tools or ()):
        if isinstance(tool, Function) and tool.strict:
            fault = strict_fault(tool.parameters)
            if fault:
                said = f"Invalid schema for function '{tool.name}': {fault}"
                yield invalid(said, "tools", at, "parameters", code="invalid_function_parameters")


def _refused_by(body: Body, traits: Traits) -> Iterator[Failure]:
    """What this model does not take."""
    effort = body.reasoning.effort if body.reasoning else None
    if body.reasoning not in (None, ReasoningOptions()) and not traits.thinks:
        yield unsupported("reasoning.effort" if effort else "reasoning.summary")
    if effort is not None and effort not in traits.efforts:
        yield beyond("reasoning.effort", effort, ", ".join(map(repr, traits.efforts)))
    if ENCRYPTED in (body.include or ()) and not traits.thinks:
        yield invalid("Encrypted content is not supported with this model.", "include")
    if not traits.newest:
        if body.prompt_cache_options:
            yield unsupported("prompt_cache_options")
        return
    for name in ("temperature", "top_p"):
        if getattr(body, name) not in (None, 1):
            yield unsupported(name)
    if body.top_logprobs:
        yield unsupported("top_logprobs")
