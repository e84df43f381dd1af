"""A small value that satisfies a JSON Schema: what tools are called with and structured output consists of.

Read are: const, enum, $ref within the schema, anyOf, oneOf, allOf, type, and the bounds, lengths, formats, patterns and
required parts of each type. A schema that only negations or conditions narrow further may get a value it refuses, and
so may a string whose pattern needs more than one kind of character.
"""

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

# Beyond this depth only what must be there is, so that schemas which contain themselves come to an end.
GENEROUS_DEPTH = 4
MAX_DEPTH = 64
_LONGEST_PATTERN = 64
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1S",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance(schema: Any, root: Any = None, depth: int = 0) -> Any:
    """A value for `schema`, whose references are looked up in `root`, itself where that is None."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return None
    schema = _flat(schema, root, depth)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        return _array(schema, root, depth)
    if kind == "string":
        return _string(schema)
    if kind in ("integer", "number"):
        return _number(schema, whole=kind == "integer")
    return True if kind == "boolean" else None


def _flat(schema: Schema, root: Any, depth: int) -> Schema:
    """`schema` with its reference followed, a branch chosen, and all its parts joined into one."""
    for _ in range(MAX_DEPTH):
        parts: list[Any] = []
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf", "oneOf", "allOf")}
        if "$ref" in schema:
            parts.append(_resolve(schema["$ref"], root))
        parts += schema.get("allOf", ())
        parts += [_branch(schema[key], depth) for key in ("anyOf", "oneOf") if schema.get(key)]
        if not parts:
            return schema
        for part in parts:
            rest = _joined(rest, part) if isinstance(part, dict) else rest
        schema = rest
    return schema


def _joined(one: Schema, other: Schema) -> Schema:
    """Both schemas as one: properties and required names of both, the narrower of two enums, else the second's word."""
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    for key in ("required", "allOf"):
        if key in one and key in other:
            both[key] = [*one[key], *(value for value in other[key] if value not in one[key])]
    if "enum" in one and "enum" in other:
        both["enum"] = [value for value in one["enum"] if value in other["enum"]]
    for key, narrower in (("minimum", max), ("minLength", max), ("maximum", min), ("maxLength", min)):
        if key in one and key in other:
            both[key] = narrower(one[key], other[key])
    return both


def _branch(branches: list[Any], depth: int) -> Any:
    """The first branch, or deep down the first that does not lead further down."""
    if depth <= GENEROUS_DEPTH:
        return branches[0]
    flat = (branch for branch in branches if isinstance(branch, dict) and branch.get("type") in _SCALARS)
    return next(flat, branches[0])


_SCALARS = ("null", "string", "integer", "number", "boolean")


def _kind(schema: Schema) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, list):
        return next((one for one in kind if one != "null"), "null")
    if kind is not None:
        return str(kind)
    hints = {
        "object": ("properties", "required", "additionalProperties"),
        "array": ("items", "prefixItems", "minItems"),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
    return next((kind for kind, keys in hints.items() if any(key in schema for key in keys)), "string")


def _object(schema: Schema, root: Any, depth: int) -> Schema:
    """The required properties; all of them where none is said to be required and it is not yet deep."""
    properties = schema.get("properties", {})
    assumed = properties if depth <= GENEROUS_DEPTH else {}
    names = [str(name) for name in schema.get("required") or assumed]
    others = (name for name in itertools.chain(properties, _spare_names()) if name not in names)
    names += itertools.islice(others, max(0, schema.get("minProperties", 0) - len(names)))
    extra = schema.get("additionalProperties", {})
    return {name: instance(properties.get(name, extra), root, depth + 1) for name in names}


def _spare_names() -> Iterator[str]:
    return (f"simulated{at}" for at in itertools.count(1))


def _array(schema: Schema, root: Any, depth: int) -> list[Any]:
    """As few items as allowed; one where none is needed, unless it is deep."""
    first = schema.get("prefixItems", [])
    items = schema.get("items", {})
    wanted = max(schema.get("minItems", 0), len(first) or (depth <= GENEROUS_DEPTH and items is not False))
    number = min(wanted, schema.get("maxItems", wanted))
    made = [instance(first[at] if at < len(first) else items, root, depth + 1) for at in range(number)]
    if not schema.get("uniqueItems") or number < 2:
        return made
    return _unlike(_flat(items, root, depth), made)


def _unlike(items: Schema, made: list[Any]) -> list[Any]:
    """As many items as `made`, all different: further ones of an enum, numbers upwards, texts with a number."""
    if items.get("enum"):
        return list(items["enum"][: len(made)])
    if isinstance(made[0], int | float) and not isinstance(made[0], bool):
        step = items.get("multipleOf", 1)
        return [made[0] + step * at for at in range(len(made))]
    if isinstance(made[0], str):
        return [f"{made[0][: max(0, items.get('maxLength', 99) - 3)]}{at}" for at in range(len(made))]
    return made


def _string(schema: Schema) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if "pattern" in schema:
        return next((text for text in _candidates() if _fits(text, schema["pattern"], least, most)), "simulated")
    text = str(_FORMATS.get(schema.get("format", ""), "simulated")).ljust(least, "x")
    return text if len(text) <= most else text[: int(most)]


def _candidates() -> Iterator[str]:
    """Texts for a pattern to choose from: usual ones, then one kind of character at every length."""
    yield from ("simulated", "Simulated", "simulated-1", "simulated_1", "1.0", "1.0.0", "12:00", "#a0a0a0")
    yield from ("+15550100", "555-0100", "en-US", "00000-0000", *_FORMATS.values(), "")
    for length in range(1, _LONGEST_PATTERN + 1):
        yield from (character * length for character in "aA0")


def _fits(text: str, pattern: str, least: float, most: float) -> bool:
    try:
        return least <= len(text) <= most and re.search(pattern, text) is not None
    except re.error:
        return True


def _number(schema: Schema, *, whole: bool) -> float:
    """The first of some likely numbers that the bounds allow: 1, or one at or beside a bound."""
    step = schema.get("multipleOf") or (1 if whole else None)
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    bounds = [bound for bound in (low, high, above, below) if math.isfinite(bound)]
    near = [bound + by for bound in bounds for by in (0, 1, -1)]
    if step is not None:
        near = [round((base // step + by) * step, 12) for base in (1, *bounds) for by in (0, 1, -1)]
    elif len(bounds) > 1:
        near.append((max(low, above) + min(high, below)) / 2)
    likely = near if step is not None else [1, *near]
    return next((int(one) if whole else one for one in likely if low <= one <= high and above < one < below), 1)


def _resolve(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if name.isdigit() and int(name) < len(found) else {}
        else:
            found = found.get(name, {}) if isinstance(found, dict) else {}
    return found
