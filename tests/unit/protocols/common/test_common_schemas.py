"""JSON Schemas in the dialect of each vendor (protocols 2.1.4)."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import schemas

PATH = "tools[0].parameters"
TEXT = {"type": "string"}


def raw(node: object) -> Raw:
    return Raw(json.dumps(node).encode())


def rewritten(how: Any, node: object) -> tuple[Any, str]:
    losses = Losses()
    found = how(raw(node), losses, PATH)
    return json.loads(bytes(found)), losses.header().replace(f"{PATH}.", "")


def gemini(node: object) -> tuple[Any, str]:
    return rewritten(schemas.for_gemini, node)


def legacy(node: object) -> tuple[Any, str]:
    return rewritten(schemas.for_gemini_legacy, node)


def claude(node: object) -> tuple[Any, str]:
    return rewritten(schemas.for_anthropic, node)


def output(node: object) -> tuple[Any, str]:
    return rewritten(schemas.for_anthropic_output, node)


def refused(how: Any, node: object) -> str | None:
    with pytest.raises(RequestRefused) as error:
        how(node)
    assert error.value.problem.kind == "E-PARAM"
    return error.value.problem.param


def from_gemini(node: object) -> Any:
    return json.loads(bytes(schemas.from_gemini(raw(node))))


class TestToolSchema:
    @pytest.mark.parametrize("given", [None, Raw(b"null"), Raw(b"{}")])
    def test_no_parameters_are_the_empty_object(self, given: Raw | None) -> None:
        assert bytes(schemas.tool_schema(given)) == b'{"type":"object","properties":{}}'

    def test_a_root_that_says_it_is_an_object_stays_byte_for_byte(self) -> None:
        given = Raw(b'{ "properties" : {"n": {"maximum": 1.50, "default": 1e2}}, "type":"object" }')
        assert bytes(schemas.tool_schema(given)) == bytes(given)

    @pytest.mark.parametrize("given", [{"properties": {"a": TEXT}}, {"type": None, "properties": {"a": TEXT}}])
    def test_a_root_without_a_type_becomes_an_object(self, given: object) -> None:
        assert json.loads(bytes(schemas.tool_schema(raw(given)))) == {"type": "object", "properties": {"a": TEXT}}

    def test_T83_old_definitions_get_their_present_name(self) -> None:
        given = {
            "type": "object",
            "properties": {"a": {"$ref": "#/definitions/A"}, "b": {"$ref": "#/components/schemas/B"}},
            "definitions": {"A": {"description": 'like "$ref":"#/definitions/A"'}},
            "components": {"schemas": {"B": TEXT}},
        }
        assert claude(given) == (
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/B"}},
                "$defs": {"A": {"description": 'like "$ref":"#/definitions/A"'}, "B": TEXT},
            },
            "",
        )

    def test_T83_a_property_of_that_name_is_none(self) -> None:
        given = {"type": "object", "properties": {"definitions": TEXT}}
        assert claude(given) == gemini(given) == (given, "")

    @pytest.mark.parametrize("given", [b"[]", b'"x"', b"true", b"{", b'{"a":NaN}'])
    def test_what_is_no_schema_is_refused(self, given: bytes) -> None:
        assert refused(schemas.tool_schema, Raw(given)) == "parameters"
        for how in (schemas.for_gemini, schemas.for_gemini_legacy, schemas.for_anthropic_output):
            with pytest.raises(RequestRefused, match="must be a JSON Schema object"):
                how(Raw(given), Losses(), PATH)

    def test_a_schema_without_end_is_refused(self) -> None:
        text = b'{"type":"object","properties":{"a":' + b'{"items":' * 5_000 + b"{}" + b"}" * 5_000 + b"}}"
        for how in (schemas.for_gemini, schemas.for_gemini_legacy, schemas.for_anthropic_output):
            with pytest.raises(RequestRefused):
                how(Raw(text), Losses(), PATH)


class TestAnthropic:
    @pytest.mark.parametrize("word", ["anyOf", "oneOf", "allOf"])
    def test_a_choice_at_the_root_is_refused_by_name(self, word: str) -> None:
        given = {"type": "object", word: [{"properties": {}}]}
        assert refused(claude, given) == PATH

    @pytest.mark.parametrize("kind", ["array", "string", ["string", "null"]])
    def test_a_root_that_is_no_object_is_refused(self, kind: object) -> None:
        assert refused(claude, {"type": kind}) == PATH

    def test_an_object_or_null_is_an_object(self) -> None:
        assert claude({"type": ["object", "null"]}) == ({"type": "object"}, "changed=type:object")

    def test_T83_bounds_of_an_output_go_into_its_description(self) -> None:
        given = {
            "type": "object",
            "$schema": "x",
            "properties": {
                "n": {"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "description": "A number"},
                "s": {"type": "string", "minLength": 2, "format": "iri"},
                "d": {"type": "string", "format": "date"},
                "l": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 3},
                "m": {"type": "array", "items": TEXT, "minItems": 2},
            },
        }
        found, header = output(given)
        assert found == {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "description": "A number (minimum: 1, exclusiveMaximum: 9)"},
                "s": {"type": "string", "description": "minLength: 2, format: iri"},
                "d": {"type": "string", "format": "date"},
                "l": {"type": "array", "items": TEXT, "minItems": 1, "description": "maxItems: 3"},
                "m": {"type": "array", "items": TEXT, "description": "minItems: 2"},
            },
            "additionalProperties": False,
        }
        words = ("minimum", "exclusiveMaximum", "minLength", "format", "maxItems", "minItems")
        assert header == "changed=" + ",".join(f"{word}:description" for word in words)

    def test_T84_every_object_of_an_output_is_closed(self) -> None:
        inner = {"type": ["object", "null"], "properties": {"a": TEXT}}
        found, header = output({"properties": {"x": inner}, "$defs": {"D": {"type": "object"}}})
        assert found["additionalProperties"] is False
        assert found["properties"]["x"] == {**inner, "additionalProperties": False}
        assert found["$defs"]["D"] == {"type": "object", "additionalProperties": False}
        assert header == ""

    def test_an_open_object_of_an_output_is_told_of(self) -> None:
        found, header = output({"type": "object", "additionalProperties": {"type": "integer"}})
        assert (found, header) == (
            {"type": "object", "additionalProperties": False},
            "changed=additionalProperties:false",
        )


class TestGemini:
    def test_T80_words_that_it_does_not_know(self) -> None:
        given = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "propertyNames": {"pattern": "^a"},
            "properties": {
                "kind": {"const": "a"},
                "n": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9.5},
                "x": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 2},
            },
            "additionalProperties": False,
        }
        assert gemini(given) == (
            {
                "type": "object",
                "properties": {
                    "kind": {"enum": ["a"]},
                    "n": {"type": "integer", "minimum": 1, "maximum": 9},
                    "x": {"type": "number", "minimum": 0},
                },
                "additionalProperties": False,
            },
            "dropped=propertyNames,multipleOf; changed=exclusiveMinimum:minimum",
        )

    def test_the_stricter_of_two_bounds_stays(self) -> None:
        assert gemini({"type": "integer", "minimum": 5, "exclusiveMinimum": 1})[0]["minimum"] == 5
        assert gemini({"type": "integer", "maximum": 5, "exclusiveMaximum": 3})[0]["maximum"] == 2

    def test_bounds_of_an_old_draft_and_data_that_looks_like_words_are_left_alone(self) -> None:
        given = {"properties": {"not": TEXT, "if": TEXT}, "default": {"not": 1}, "enum": [{"const": 1}]}
        assert gemini(given) == (given, "")
        assert gemini({"minimum": 1, "exclusiveMinimum": True}) == ({"minimum": 1}, "")

    def test_T81_references_are_kept_alone_in_their_node(self) -> None:
        given = {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A", "description": "mine"}},
            "$defs": {"A": {"type": "object", "properties": {"next": {"$ref": "#/$defs/A"}}}},
        }
        found, header = gemini(given)
        assert found["properties"]["a"] == {"$ref": "#/$defs/A"}
        assert found["$defs"] == given["$defs"]
        assert header == "dropped=description"

    def test_an_only_part_of_a_whole_is_the_whole(self) -> None:
        wrapped = {"properties": {"a": {"allOf": [{"$ref": "#/$defs/A"}]}}}
        assert gemini(wrapped) == ({"properties": {"a": {"$ref": "#/$defs/A"}}}, "")

    def test_an_untouched_schema_stays_byte_for_byte(self) -> None:
        given = Raw(b'{ "type":"object", "properties": {"a": {"type" :"string"}} }')
        assert bytes(schemas.for_gemini(given, Losses(), PATH)) == bytes(given)


class TestGeminiLegacy:
    def test_T81_references_are_replaced_by_what_they_mean(self) -> None:
        given = {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A~1b", "description": "mine"}},
            "$defs": {"A/b": {"type": "object", "description": "its", "properties": {"s": TEXT}}},
        }
        assert legacy(given) == (
            {
                "type": "OBJECT",
                "properties": {
                    "a": {"type": "OBJECT", "description": "mine", "properties": {"s": {"type": "STRING"}}},
                },
            },
            "",
        )

    def test_T81_a_recursive_schema_ends_as_any_object(self) -> None:
        node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}
        found, header = legacy({"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": node}})
        assert found["properties"]["n"] == {"type": "OBJECT", "properties": {"next": {"type": "OBJECT"}}}
        assert header == "dropped=$ref"

    def test_T81_schemas_that_all_refer_to_each_other_do_not_grow_without_end(self) -> None:
        count = 14
        each = {f"p{at}": {"$ref": f"#/$defs/d{at}"} for at in range(count)}
        defs = {f"d{at}": {"type": "object", "properties": each} for at in range(count)}
        losses = Losses()
        found = schemas.for_gemini_legacy(raw({"type": "object", "properties": each, "$defs": defs}), losses, PATH)
        assert len(bytes(found)) < 1_000_000
        assert losses.header() == f"dropped={PATH}.$ref"

    @pytest.mark.parametrize("reference", ["#", "#/$defs/Gone", "#/properties/a", "https://x.example/s.json"])
    def test_T81_a_reference_to_nowhere_is_any_object(self, reference: str) -> None:
        found, header = legacy({"type": "object", "properties": {"a": {"$ref": reference}}, "$defs": {"True": True}})
        assert found == {"type": "OBJECT", "properties": {"a": {"type": "OBJECT"}}}
        assert header == "dropped=$ref"

    def test_T82_a_choice_stands_alone_with_what_was_around_it_in_each_branch(self) -> None:
        choice = {"anyOf": [{"type": "string"}, {"minimum": 3}], "type": "integer", "description": "d", "maximum": 9}
        assert legacy({"type": "object", "properties": {"a": choice}})[0]["properties"]["a"] == {
            "description": "d",
            "anyOf": [{"type": "STRING", "maximum": 9}, {"type": "INTEGER", "maximum": 9, "minimum": 3}],
        }

    def test_T82_an_object_with_a_choice_keeps_its_properties_and_gets_those_of_the_branches(self) -> None:
        given = {
            "type": "object",
            "properties": {"a": TEXT},
            "required": ["a"],
            "anyOf": [
                {"properties": {"b": TEXT, "c": TEXT}, "required": ["b", "c"]},
                {"properties": {"b": TEXT}, "required": ["b"]},
            ],
        }
        found, header = legacy(given)
        assert found == {
            "type": "OBJECT",
            "properties": {name: {"type": "STRING"} for name in ("b", "c", "a")},
            "required": ["a", "b"],
        }
        assert header == "changed=anyOf:properties"

    def test_T82_words_that_it_does_not_know_are_refused_by_the_vendor_and_so_left_out(self) -> None:
        given = {"type": "object", "additionalProperties": False, "properties": {"a": {**TEXT, "x-mine": 1}}}
        found, header = legacy({**given, "$id": "x", "$comment": "y", "default": {}})
        assert found == {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
        assert header == "dropped=additionalProperties,default,x-mine"

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
            ({"anyOf": [TEXT, {"type": "null"}], "title": "T"}, {"type": "STRING", "nullable": True, "title": "T"}),
            ({"enum": ["a", None]}, {"enum": ["a"], "type": "STRING", "nullable": True}),
            (
                {"anyOf": [TEXT, {"type": "integer"}, {"type": "null"}]},
                {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}], "nullable": True},
            ),
            (
                {"type": ["string", "array", "null"], "items": TEXT, "maxLength": 5, "description": "d"},
                {
                    "description": "d",
                    "nullable": True,
                    "anyOf": [{"type": "STRING", "maxLength": 5}, {"type": "ARRAY", "items": {"type": "STRING"}}],
                },
            ),
            (
                {"anyOf": [{"type": ["integer", "null"], "exclusiveMinimum": 0, "description": "inner"}]},
                {"type": "INTEGER", "minimum": 1, "nullable": True, "description": "inner"},
            ),
            ({"type": "null"}, {"type": "NULL"}),
        ],
    )
    def test_T82_null_is_a_property_of_the_node(self, given: object, wanted: object) -> None:
        found, header = legacy({"type": "object", "properties": {"a": given}})
        assert found["properties"]["a"] == wanted
        assert header == ""

    def test_T80_const_is_an_enum_of_one_and_only_strings_are_held(self) -> None:
        given = {"properties": {"a": {"const": "x"}, "b": {"type": "integer", "enum": [1, 2]}, "c": {"const": True}}}
        found, header = legacy(given)
        assert found["properties"] == {"a": {"enum": ["x"], "type": "STRING"}, "b": {"type": "INTEGER"}, "c": {}}
        assert header == "dropped=enum"

    def test_formats_and_the_other_spelling_of_a_choice(self) -> None:
        given = {"properties": {"a": {**TEXT, "format": "email"}, "b": {**TEXT, "format": "date-time"}}}
        found, header = legacy(given)
        assert found["properties"] == {"a": {"type": "STRING"}, "b": {"type": "STRING", "format": "date-time"}}
        assert header == "dropped=format"
        assert legacy({"items": {"oneOf": [TEXT, {"type": "integer"}]}})[0]["items"] == {
            "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]
        }

    def test_parts_of_a_whole_are_put_together(self) -> None:
        given = {
            "allOf": [
                {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
                {"$ref": "#/$defs/B"},
            ],
            "description": "d",
            "$defs": {"B": {"properties": {"b": TEXT}, "required": ["a", "b"]}},
        }
        assert legacy(given) == (
            {
                "type": "OBJECT",
                "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}},
                "required": ["a", "b"],
                "description": "d",
            },
            "",
        )


class TestFromGemini:
    def test_googles_dialect_is_read_as_json_schema(self) -> None:
        given = {
            "type": "OBJECT",
            "propertyOrdering": ["a"],
            "properties": {
                "a": {"type": "STRING", "format": "enum", "enum": ["x"], "nullable": True},
                "b": {"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "1", "max_items": "3"},
                "c": {"any_of": [{"type": "STRING"}], "nullable": True},
                "d": {"type": "TYPE_UNSPECIFIED", "nullable": False},
            },
        }
        assert from_gemini(given) == {
            "type": "object",
            "properties": {
                "a": {"type": ["string", "null"], "enum": ["x", None]},
                "b": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3},
                "c": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "d": {},
            },
        }

    def test_a_property_may_have_any_name(self) -> None:
        given = {"type": "OBJECT", "properties": {"nullable": {"type": "STRING"}, "any_of": {"type": "STRING"}}}
        assert from_gemini(given)["properties"] == {"nullable": TEXT, "any_of": TEXT}

    def test_there_and_back_is_the_same(self) -> None:
        given = {
            "type": "OBJECT",
            "properties": {
                "a": {"type": "STRING", "enum": ["x", "y"]},
                "b": {"type": "ARRAY", "items": {"type": "INTEGER", "minimum": 1}, "nullable": True},
            },
            "required": ["a"],
        }
        back = schemas.for_gemini_legacy(schemas.from_gemini(raw(given)), losses := Losses(), PATH)
        assert json.loads(bytes(back)) == given
        assert not losses
