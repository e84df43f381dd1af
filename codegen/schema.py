"""Schema: check a Tree against the JSON Schema of gateway.yaml and say what is wrong at the right place.

The house profile (profile.py) is small, so it is walked directly: one pass that knows for every failure which
definition it broke and by which field it was reached. A general validator reports a union as a tree of failed
branches and spends most of its time on features the profile forbids. A test holds this walk to the verdict of
`jsonschema` on arbitrary values. Two verdicts differ on purpose, because the Spec behind is typed: `8080.0` is not a
whole number here, and `.nan` and `.inf` are not numbers.
"""

import math
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from codegen import schema_errors
from codegen.diagnostics import Diagnostic
from codegen.profile import Schema, ref_name, tag_of
from codegen.schema_errors import Failure, Role
from codegen.source import Path
from codegen.tree import Tree

_FILE = "gateway.v1.schema.json"


def schema_text() -> str:
    """Text of the schema: `schemas/` beside the checkout, or the copy inside an installed package."""
    beside = FilePath(__file__).parent.parent / "schemas" / _FILE
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    return files("codegen").joinpath(_FILE).read_text(encoding="utf-8")


def validate(tree: Tree, schema: Schema) -> list[Diagnostic]:
    """All that a schema of the house profile has to say about a tree, in order of place.

    A node of the wrong kind is reported once and not looked into. Fields that no code of this version reads are
    reported once each, with the number of their places.
    """
    walk = _Walk(schema.get("$defs", {}))
    walk.visit(tree.value, _Spot(schema, (), None, "root"))
    return schema_errors.diagnose(walk.failures, tree)


class _Spot(NamedTuple):
    """Where the walk stands: the schema that applies, the path, the `$def` it came from, how it was reached."""

    schema: Schema
    path: Path
    definition: str | None
    role: Role


class _Walk:
    def __init__(self, defs: dict[str, Schema]) -> None:
        self.defs = defs
        self.failures: list[Failure] = []

    def visit(self, value: Any, spot: _Spot) -> None:
        """Check a value against every keyword of its schema."""
        for keyword, argument in spot.schema.items():
            check = _CHECKS.get(keyword)
            if check is not None:
                check(self, value, argument, spot)

    def fail(self, keyword: str, value: Any, argument: Any, spot: _Spot) -> None:
        """Note that a value broke a keyword."""
        self.failures.append(
            Failure(
                keyword=keyword,
                value=value,
                argument=argument,
                schema=spot.schema,
                path=spot.path,
                definition=spot.definition,
                role=spot.role,
            )
        )


def is_type(value: object, name: str) -> bool:
    """Whether a value has a type of JSON Schema, whole and finite where that matters (see above)."""
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, float):
        return name == "number" and math.isfinite(value)
    return isinstance(value, _TYPES[name])


_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _ref(walk: _Walk, value: Any, argument: str, spot: _Spot) -> None:
    name = ref_name(spot.schema) or ""
    walk.visit(value, spot._replace(schema=walk.defs[name], definition=name))


def _type(walk: _Walk, value: Any, argument: Any, spot: _Spot) -> None:
    names = [argument] if isinstance(argument, str) else argument
    if not any(is_type(value, name) for name in names):
        walk.fail("type", value, names, spot)


def _enum(walk: _Walk, value: Any, argument: list[Any], spot: _Spot) -> None:
    if not any(_same(value, choice) for choice in argument):
        walk.fail("enum", value, argument, spot)


def _const(walk: _Walk, value: Any, argument: Any, spot: _Spot) -> None:
    if not _same(value, argument):
        walk.fail("enum", value, [argument], spot)


def _properties(walk: _Walk, value: Any, argument: dict[str, Schema], spot: _Spot) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if name in argument:
                walk.visit(item, _Spot(argument[name], (*spot.path, name), None, "field"))


def _required(walk: _Walk, value: Any, argument: list[str], spot: _Spot) -> None:
    if isinstance(value, dict):
        missing = [name for name in argument if name not in value]
        if missing:
            walk.fail("required", value, missing, spot)


def _additional(walk: _Walk, value: Any, argument: Any, spot: _Spot) -> None:
    if not isinstance(value, dict):
        return
    known = spot.schema.get("properties", {})
    for name, item in value.items():
        if name not in known:
            if argument is False:
                walk.fail("additionalProperties", name, list(known), spot)
            else:
                walk.visit(item, _Spot(argument, (*spot.path, name), None, "entry"))


def _names(walk: _Walk, value: Any, argument: Schema, spot: _Spot) -> None:
    if not isinstance(value, dict):
        return
    for name in value:
        probe = _Walk(walk.defs)
        probe.visit(name, _Spot(argument, (*spot.path, name), None, "entry"))
        if probe.failures:
            broken = probe.failures[0]
            walk.fail("propertyNames", name, broken, spot._replace(schema=broken.schema, path=broken.path))


def _items(walk: _Walk, value: Any, argument: Schema, spot: _Spot) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            walk.visit(item, _Spot(argument, (*spot.path, index), None, "item"))


def _one_of(walk: _Walk, value: Any, argument: list[Schema], spot: _Spot) -> None:
    if not isinstance(value, dict):
        walk.fail("type", value, ["object"], spot)
        return
    kinds: dict[str, str] = {}
    field = ""
    for branch in argument:
        name = ref_name(branch) or ""
        tag = tag_of(walk.defs[name])
        assert tag is not None, "the profile wants a tag in every branch"
        field = tag[0]
        kinds[tag[1]] = name
    kind = value.get(field)
    if field not in value:
        walk.fail("kind", value, [field, *kinds], spot)
    elif isinstance(kind, str) and kind in kinds:
        name = kinds[kind]
        walk.visit(value, spot._replace(schema=walk.defs[name], definition=name))
    else:
        walk.fail("oneOf", kind, list(kinds), spot._replace(path=(*spot.path, field), role="field"))


def _pattern(walk: _Walk, value: Any, argument: str, spot: _Spot) -> None:
    # A text that is too long is reported as that; its pattern would only repeat it.
    is_short = isinstance(value, str) and len(value) <= spot.schema.get("maxLength", math.inf)
    if is_short and not re.search(argument, value):
        walk.fail("pattern", value, argument, spot)


def _bound(keyword: str, kind: str, broken: Callable[[Any, Any], bool]) -> "_Check":
    def check(walk: _Walk, value: Any, argument: Any, spot: _Spot) -> None:
        if is_type(value, kind) and broken(value, argument):
            walk.fail(keyword, value, argument, spot)

    return check


def _fewest(walk: _Walk, value: Any, argument: int, spot: _Spot) -> None:
    if not isinstance(value, dict):
        return
    if argument == spot.schema.get("maxProperties") == 1:
        if len(value) != 1:
            walk.fail("exactlyOne", value, list(spot.schema.get("properties", {})), spot)
    elif len(value) < argument:
        walk.fail("minProperties", value, argument, spot)


def _most(walk: _Walk, value: Any, argument: int, spot: _Spot) -> None:
    exactly_one = argument == spot.schema.get("minProperties") == 1
    if isinstance(value, dict) and len(value) > argument and not exactly_one:
        walk.fail("maxProperties", value, argument, spot)


def _pending(walk: _Walk, value: Any, argument: str, spot: _Spot) -> None:
    walk.fail("x-pending", value, argument, spot)


_Check = Callable[[_Walk, Any, Any, _Spot], None]
_CHECKS: dict[str, _Check] = {
    "$ref": _ref,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "items": _items,
    "oneOf": _one_of,
    "pattern": _pattern,
    "minimum": _bound("minimum", "number", lambda value, bound: value < bound),
    "maximum": _bound("maximum", "number", lambda value, bound: value > bound),
    "minLength": _bound("minLength", "string", lambda value, bound: len(value) < bound),
    "maxLength": _bound("maxLength", "string", lambda value, bound: len(value) > bound),
    "minItems": _bound("minItems", "array", lambda value, bound: len(value) < bound),
    "maxItems": _bound("maxItems", "array", lambda value, bound: len(value) > bound),
    "minProperties": _fewest,
    "maxProperties": _most,
    "x-pending": _pending,
}
