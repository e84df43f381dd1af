"""Values made for a JSON Schema satisfy it, by the word of another validator."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.simulator.instance import instance

TREE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            },
            "required": ["name", "children", "next"],
            "additionalProperties": False,
        }
    },
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "required": {
        "type": "object",
        "properties": {"city": {"type": "string", "minLength": 12}, "days": {"type": "integer", "minimum": 3}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
    "items": {"properties": {"a": {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2}}},
    "unique enum": {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2, "uniqueItems": True},
    "unique numbers": {"type": "array", "items": {"type": "integer"}, "minItems": 4, "uniqueItems": True},
    "unique texts": {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
    "no items": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    "reference": {"properties": {"a": {"$ref": "#/$defs/A~1B"}}, "$defs": {"A/B": {"type": "number", "maximum": -3}}},
    "itself": {"type": "object", "properties": {"more": {"type": "array", "items": {"$ref": "#"}}}},
    "tree": TREE,
    "either": {"anyOf": [{"type": "null"}, {"type": "string"}]},
    "one of": {
        "oneOf": [
            {"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]},
            {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]},
        ]
    },
    "all of": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "boolean"}}, "required": ["b"]},
        ]
    },
    "two bounds": {"allOf": [{"type": "integer", "minimum": 5}, {"minimum": 3, "maximum": 6}]},
    "nullable": {"type": ["null", "integer"]},
    "extra names": {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
    "date": {"type": "string", "format": "date-time"},
    "email": {"type": "string", "format": "email"},
    "code": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "postcode": {"type": "string", "pattern": r"^\d{5}$", "minLength": 5},
    "multiple": {"type": "integer", "exclusiveMinimum": 7, "multipleOf": 5},
    "fraction": {"type": "number", "minimum": 0.25, "exclusiveMaximum": 0.5},
    "short": {"type": "string", "maxLength": 3},
    "constant": {"const": {"k": 1}},
    "unsound default": {"type": "integer", "default": "none", "minimum": 4},
    "anything": {},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_instance_satisfies_its_schema(name: str) -> None:
    jsonschema.Draft202012Validator(
        SCHEMAS[name], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(instance(SCHEMAS[name]))


@given(
    st.integers(-50, 50), st.integers(0, 50), st.sampled_from([None, 1, 2, 5]), st.sampled_from(["integer", "number"])
)
def test_numbers_lie_within_their_bounds(low: int, width: int, multiple: int | None, kind: str) -> None:
    schema = {"type": kind, "minimum": low, "maximum": low + width}
    if multiple:
        schema["multipleOf"] = multiple
        if not any(value % multiple == 0 for value in range(low, low + width + 1)):
            return
    jsonschema.validate(instance(schema), schema)


@given(st.integers(0, 30), st.integers(0, 30))
def test_lengths_lie_within_their_bounds(least: int, more: int) -> None:
    for kind, low, high in (("string", "minLength", "maxLength"), ("array", "minItems", "maxItems")):
        schema = {"type": kind, low: least, high: least + more}
        jsonschema.validate(instance(schema), schema)
