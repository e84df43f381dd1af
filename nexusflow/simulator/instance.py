"""A small value that satisfies a JSON Schema: what tools are called with and structured output consists of."""

import math
from typing import Any

MAX_DEPTH = 12
_EMPTY: dict[str, Any] = {"string": "simulated", "integer": 1, "number": 1.5, "boolean": True, "null": None}
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "simulated@example.com",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance(schema: Any, root: Any = None, depth: int = 0) -> Any:
    """A value for the common keywords: const, enum, $ref, anyOf, allOf, types, bounds, formats, required."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return None
    if "$ref" in schema:
        return instance(_resolve(schema["$ref"], root), root, depth + 1)
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if schema.get("enum"):
        return schema["enum"][0]
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            return instance(schema[keyword][0], root, depth + 1)
    if schema.get("allOf"):
        schema = {**schema, **{key: value for part in schema["allOf"] for key, value in part.items()}}
    return _typed(schema, root, depth)


def _typed(schema: dict[str, Any], root: Any, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        wanted = schema.get("required", list(schema.get("properties", {})))
        return {name: instance(schema.get("properties", {}).get(name, {}), root, depth + 1) for name in wanted}
    if kind == "array":
        return [instance(schema.get("items", {}), root, depth + 1)] * max(1, schema.get("minItems", 1))
    if kind == "string":
        text = str(_FORMATS.get(schema.get("format", ""), "simulated"))
        text = text.ljust(schema.get("minLength", 0), "x")
        return text[: schema.get("maxLength", len(text))]
    if kind in ("integer", "number"):
        return _number(schema, _EMPTY[kind])
    return _EMPTY.get(kind)


def _number(schema: dict[str, Any], value: float) -> float:
    """`value` moved inside the bounds, and up to the next multiple."""
    low = schema["minimum"] if "minimum" in schema else schema.get("exclusiveMinimum", -math.inf) + 1
    high = schema["maximum"] if "maximum" in schema else schema.get("exclusiveMaximum", math.inf) - 1
    chosen: float = max(low, min(value, high))
    multiple = schema.get("multipleOf")
    return math.ceil(chosen / multiple) * multiple if multiple else chosen


def _resolve(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found
