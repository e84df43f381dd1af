"""Schemas in strict mode: what OpenAI asks of them before it constrains a model by them."""

from collections.abc import Iterator
from typing import Any


def strict_fault(schema: Any) -> str | None:
    """Why `schema` cannot be strict, in OpenAI's words, or None when it can."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        kind = schema.get("type") if isinstance(schema, dict) else None
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    return next(_faults(schema, ()), None)


def _faults(schema: Any, place: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties", {})
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield f"In context={place}, 'additionalProperties' is required to be supplied and to be false."
        absent = [name for name in properties if name not in schema.get("required", ())]
        if absent:
            yield (
                f"In context={place}, 'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{absent[0]}'."
            )
    for name, part in properties.items():
        yield from _faults(part, (*place, "properties", name))
    for name, part in schema.get("$defs", {}).items():
        yield from _faults(part, (*place, "$defs", name))
    for key in ("anyOf", "allOf", "prefixItems"):
        for at, part in enumerate(schema.get(key, ())):
            yield from _faults(part, (*place, key, str(at)))
    yield from _faults(schema.get("items"), (*place, "items"))
