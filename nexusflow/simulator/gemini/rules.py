"""What Gemini, or a model of it, refuses though each field is well-formed (protocols 1.5.1, 1.5.5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from nexusflow.simulator.asked import written
from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.gemini.body import DATA, Body, Content, FunctionCall, GenerationConfig, Part
from nexusflow.simulator.gemini.vendor import invalid
from nexusflow.simulator.seal import holds
from nexusflow.simulator.shape import Misfit
from nexusflow.simulator.traits import MAX_OUTPUT, Traits

FORM = "gemini"
# What stands in for a signature in history that another model made, as it is and in base64.
PLACEHOLDERS = (
    "skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
    "context_engineering_is_the_way_to_go", "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
)  # fmt: skip


def beside(call: FunctionCall | None) -> str:
    """What a signature is bound to: the call it stands on, or any other part."""
    return "part" if call is None else f"{call.name} {written(_sorted(call.args or {}))}"


def _sorted(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value, order="sorted"))


@dataclass(frozen=True, slots=True)
class Run:
    """Contents in a row of one role, read as one; `at` is the number of the first."""

    at: int
    role: str
    parts: tuple[Part, ...]

    @property
    def calls(self) -> list[FunctionCall]:
        """Its calls."""
        return [part.function_call for part in self.parts if part.function_call is not None]

    @property
    def answered(self) -> list[str]:
        """The names of the calls that it answers."""
        return [part.function_response.name for part in self.parts if part.function_response is not None]


def runs(contents: Sequence[Content]) -> list[Run]:
    """Contents with those that follow one of the same role joined to it."""
    found: list[Run] = []
    for at, content in enumerate(contents):
        role = "model" if content.role == "model" else "user"
        if found and found[-1].role == role:
            before = found.pop()
            found.append(Run(before.at, role, (*before.parts, *content.parts)))
        else:
            found.append(Run(at, role, tuple(content.parts)))
    return found


def check(body: Body, traits: Traits) -> None:
    """Raises `Refused` with the first thing that is not taken, `Misfit` where nothing is asked."""
    if not body.contents:
        raise Misfit("missing", ("contents",), "Object missing required field `contents`")
    joined = runs(body.contents)
    config = body.generation_config or GenerationConfig()
    failures = (
        _parts(body.contents), _pairs(joined), _signatures(joined, traits), _tools(body, config, traits),
        _config(config), _thinking(config, traits), _refused_by(config, traits), _kept(body),
    )  # fmt: skip
    for failure in (failure for found in failures for failure in found):
        raise Refused(failure)
    if traits.newest and joined[-1].role == "model":
        raise Refused(invalid("Please ensure that the conversation ends with a user turn or a function response."))


def _kept(body: Body) -> Iterator[Failure]:
    if body.cached_content is not None:
        yield Failure("permission", "CachedContent not found (or permission denied)")


def _parts(contents: Sequence[Content]) -> Iterator[Failure]:
    for at, content in enumerate(contents):
        if content.role not in (None, "user", "model", "function"):
            yield invalid("Please use a valid role: user, model.")
        if not content.parts:
            yield invalid(f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.")
        for number, part in enumerate(content.parts):
            place = f"contents[{at}].parts[{number}]"
            given = [name for name in DATA if getattr(part, name) is not None]
            if not given and part.thought_signature is None:
                said = "required oneof field 'data' must have one initialized field"
                yield invalid(f"* GenerateContentRequest.{place}.data: {said}")
            if len(given) > 1:
                yield invalid(f"Invalid value at '{place}': oneof field 'data' is already set. Cannot set '{given[1]}'")
            if (part.function_call is not None) and content.role != "model":
                yield invalid("Please ensure that function call turns have the role model.")


def _pairs(joined: Sequence[Run]) -> Iterator[Failure]:
    """Each turn of calls is answered in the very next turn, call by call, and nothing else is."""
    for at, run in enumerate(joined):
        if run.calls and at == 0:
            yield invalid(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        answered = joined[at + 1].answered if at + 1 < len(joined) else []
        if run.calls and sorted(answered) != sorted(call.name for call in run.calls):
            yield invalid(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        if run.answered and not (at and joined[at - 1].calls):
            yield invalid("Please ensure that function response turn comes immediately after a function call turn.")


def _signatures(joined: Sequence[Run], traits: Traits) -> Iterator[Failure]:
    """Signatures hold where they stand, and the newest models insist on them in the turn that is under way."""
    asked = [at for at, run in enumerate(joined) if run.role == "user" and len(run.answered) < len(run.parts)]
    since = asked[-1] if asked else 0
    for at, run in enumerate(joined):
        for part in run.parts:
            signature = part.thought_signature
            if signature is None or signature in PLACEHOLDERS:
                continue
            if not holds(signature, FORM, beside(part.function_call)):
                yield invalid("Corrupted thought signature.")
        first = next((part for part in run.parts if part.function_call is not None), None)
        if traits.newest and at > since and first and first.function_call and first.thought_signature is None:
            yield invalid(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                f"data, function call `default_api:{first.function_call.name}` , position {run.at + 1}."
            )


def _tools(body: Body, config: GenerationConfig, traits: Traits) -> Iterator[Failure]:
    declared = [one.name for tool in body.tools for one in tool.function_declarations or ()]
    if len(set(declared)) < len(declared):
        yield invalid("Duplicate function declaration found.")
    for tool in body.tools:
        for one in tool.function_declarations or ():
            if one.parameters is not None and one.parameters_json_schema is not None:
                yield invalid(f"Function {one.name}: only one of parameters and parameters_json_schema may be set.")
        hosted = [name for name in tool.__struct_fields__ if name != "function_declarations" and getattr(tool, name)]
        if declared and hosted and not traits.newest:
            yield invalid("Built-in tools and Function Calling cannot be combined in the same request.")
    calling = body.tool_config.function_calling_config if body.tool_config else None
    if calling is not None:
        allowed = calling.allowed_function_names or []
        if allowed and calling.mode not in ("ANY", "VALIDATED"):
            yield invalid("Allowed function names must be unset when mode is not ANY or VALIDATED.")
        absent = [name for name in allowed if name not in declared]
        if absent:
            yield invalid(f"Allowed function name {absent[0]} is not in the function declarations.")
        if calling.mode in ("ANY", "VALIDATED") and not declared:
            yield invalid("Function calling config is set without function_declarations.")
    if declared and config.response_mime_type == "application/json" and not traits.newest:
        yield invalid("Function calling with a response mime type: 'application/json' is unsupported")


def _config(config: GenerationConfig) -> Iterator[Failure]:
    if (config.max_output_tokens or 0) > MAX_OUTPUT:
        said = f"it has a maxOutputTokens value of {config.max_output_tokens} but the supported range is from 1"
        yield invalid(f"Unable to submit request because {said} (inclusive) to {MAX_OUTPUT + 1} (exclusive).")
    schemas = (config.response_schema, config.response_json_schema)
    if all(schema is not None for schema in schemas):
        yield invalid("Only one of response_schema and response_json_schema may be set.")
    if any(schema is not None for schema in schemas) and config.response_mime_type in (None, "", "text/plain"):
        yield invalid("response_schema is only supported with response_mime_type application/json or text/x.enum.")
    if any("$ref" in one and any(key[0] != "$" for key in one) for one in _nodes(config.response_json_schema)):
        yield invalid("In response_json_schema, a node with $ref may have no other keys but those that begin with $.")
    if config.logprobs is not None and not config.response_logprobs:
        yield invalid("logprobs is only supported with response_logprobs.")
    if [modality for modality in config.response_modalities or () if modality != "TEXT"]:
        said = ", ".join(config.response_modalities or ())
        yield invalid(f"The requested combination of response modalities ({said}) is not supported by the model.")


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for one in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _nodes(one)


def _thinking(config: GenerationConfig, traits: Traits) -> Iterator[Failure]:
    thinking = config.thinking_config
    if thinking is None:
        return
    if thinking.thinking_budget is not None and thinking.thinking_level is not None:
        yield invalid("You can only set only one of thinking budget and thinking level.")
    if not traits.thinks:
        if thinking.thinking_budget or thinking.thinking_level or thinking.include_thoughts:
            yield invalid("Thinking is not supported by this model.")
        return
    if thinking.thinking_level is not None:
        levels = [effort.upper() for effort in traits.efforts if effort not in ("none", "max")]
        if not traits.newest:
            yield invalid("Thinking level is not supported for this model.")
        elif thinking.thinking_level.upper() not in levels:
            said = f"Thinking level {thinking.thinking_level} is not supported for this model."
            yield invalid(f"{said} Please retry with other thinking level.")
    if thinking.thinking_budget == 0 and not traits.may_rest:
        yield invalid("Budget 0 is invalid. This model only works in thinking mode.")


def _refused_by(config: GenerationConfig, traits: Traits) -> Iterator[Failure]:
    """Parameters that the newest models do not take."""
    if not traits.newest:
        return
    if config.response_logprobs:
        yield invalid("Logprobs is not enabled for this model.")
    for name in ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty"):
        if getattr(config, name) is not None:
            yield invalid(f"{name} is not supported for this model.")
    if (config.candidate_count or 1) > 1:
        yield invalid("Multiple candidates is not enabled for this model.")
