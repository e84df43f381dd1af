"""Whatever a caller calls a schema: an answer that keeps the vendor's rules, or a refusal, never a fault."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import schemas

WORDS = (
    "type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions", "components", "enum",
    "const", "minimum", "exclusiveMinimum", "required", "format", "nullable", "not", "additionalProperties", "minItems",
    "description",
)  # fmt: skip
leaves = st.sampled_from(
    [
        None,
        True,
        0,
        1.5,
        "string",
        "object",
        "null",
        "a",
        "#/$defs/a",
        "#/definitions/a",
        "#",
        ["object", "null"],
        [],
        {},
    ]
)
trees = st.recursive(
    leaves,
    lambda inner: st.dictionaries(st.sampled_from([*WORDS, "a"]), inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=20,
)
nodes = st.dictionaries(st.sampled_from(WORDS), trees, max_size=7)
ALONE = {"anyOf", "nullable", "title", "description"}


def inner(node: dict[str, Any]) -> list[Any]:
    named = node.get("properties")
    listed = node.get("anyOf")
    found = [node.get("items")]
    found += named.values() if isinstance(named, dict) else []
    found += listed if isinstance(listed, list) else []
    return [one for one in found if isinstance(one, dict)]


def check_openapi(node: dict[str, Any]) -> None:
    assert not node.keys() & {"$ref", "$defs", "allOf", "oneOf", "const", "not", "additionalProperties"}
    if "anyOf" in node:
        assert node.keys() <= ALONE
    assert isinstance(node.get("type", "X"), str)
    assert node.get("type", "X") == node.get("type", "X").upper()
    assert all(isinstance(value, str) for value in node.get("enum", ()))
    for one in inner(node):
        check_openapi(one)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nodes)
def test_T82_the_older_dialect_holds_only_what_it_may(node: dict[str, Any]) -> None:
    try:
        found = schemas.for_gemini_legacy(Raw(json.dumps(node).encode()), Losses(), "p")
    except RequestRefused:
        return
    check_openapi(json.loads(bytes(found)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nodes)
def test_any_tree_is_rewritten_once_and_for_all(node: dict[str, Any]) -> None:
    for how in (schemas.for_gemini, schemas.for_anthropic, schemas.for_anthropic_output):
        losses = Losses()
        try:
            found = how(Raw(json.dumps(node).encode()), losses, "p")
        except RequestRefused:
            continue
        assert isinstance(json.loads(bytes(found)), dict)
        if b"definitions" in bytes(found) or b"components" in bytes(found):
            continue  # of a part, which is the whole now; the root's own are renamed
        again = how(found, Losses(), "p")
        assert json.loads(bytes(again)) == json.loads(bytes(found))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nodes)
def test_a_tools_schema_is_an_object_that_says_what_it_said(node: dict[str, Any]) -> None:
    found = json.loads(bytes(schemas.tool_schema(Raw(json.dumps(node).encode()))))
    assert found["type"] == (node.get("type") or "object")
    same = {word: value for word, value in node.items() if word not in ("type", "definitions", "components", "$defs")}
    if "definitions" not in node and "components" not in node and node:
        assert {word: found[word] for word in same} == same
