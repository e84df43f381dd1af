"""JSON Schemas of tools and outputs in the dialect of each vendor (protocols 2.1.4).

A schema is the caller's own text. It is rewritten only where a vendor would refuse it; constraints that a vendor cannot
hold are reported as losses, those it can hold in other words are reworded.
"""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common.openapi_schema import SILENT, from_openapi, gathered, openapi, reworded
from nexusflow.protocols.common.schema_tree import Node, rewrite, walk

_EMPTY = Raw(b'{"type":"object","properties":{}}')
_GEMINI_DROPS = frozenset(
    (
        "patternProperties", "propertyNames", "if", "then", "else", "not", "unevaluatedProperties", "unevaluatedItems",
        "dependentRequired", "dependentSchemas", "contains", "minContains", "maxContains", "multipleOf", "uniqueItems",
        "contentEncoding", "contentMediaType",
    )
)  # fmt: skip
_ANTHROPIC_OUTPUT_DROPS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems", "minProperties", "maxProperties", "pattern", "patternProperties", "propertyNames", "not", "if",
    "then", "else", "contains", "minContains", "maxContains", "dependentRequired", "dependentSchemas", "prefixItems",
    "unevaluatedProperties", "unevaluatedItems",
)  # fmt: skip
_ANTHROPIC_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")


def tool_schema(raw: Raw | None) -> Raw:
    """Parameters whose root says that it is an object; without any, the empty object's.

    Raises `RequestRefused` for what is no JSON object.
    """
    if raw is None or bytes(raw) in (b"null", b"{}"):
        return _EMPTY

    return rewrite(raw, "parameters", lambda node: {**node, "type": node.get("type") or "object"})


def for_anthropic(raw: Raw | None, losses: Losses, path: str) -> Raw:
    """A tool's `input_schema`: an object at the root, and never a choice there.

    Raises `RequestRefused` for a root that is anything else.
    """

    def rooted(node: Node) -> Node:
        for word in ("anyOf", "oneOf", "allOf"):
            if word in node:
                message = f"`{path}` has `{word}` at its root, which this provider does not take"
                raise refuse(Kind.PARAM, message, param=path)
        kinds = node["type"]
        if isinstance(kinds, list) and "object" in kinds:
            losses.change(f"{path}.type", "object")
            return {**node, "type": "object"}
        if kinds != "object":
            raise refuse(Kind.PARAM, f"`{path}` must describe an object", param=path)
        return node

    return rewrite(tool_schema(raw), path, rooted)


def for_anthropic_output(raw: Raw, losses: Losses, path: str) -> Raw:
    """A schema for structured output: objects are closed, and other bounds are said in the description instead."""

    def fit(node: Node) -> Node:
        node.pop("$schema", None)
        if "oneOf" in node:
            node.setdefault("anyOf", node.pop("oneOf"))
        bounds = {word: node.pop(word) for word in _ANTHROPIC_OUTPUT_DROPS if word in node}
        if node.get("minItems") not in (None, 0, 1):
            bounds["minItems"] = node.pop("minItems")
        if "format" in node and node["format"] not in _ANTHROPIC_FORMATS:
            bounds["format"] = node.pop("format")
        for word in bounds:
            losses.change(f"{path}.{word}", "description")
        if bounds:
            said = ", ".join(f"{word}: {_said(value)}" for word, value in bounds.items())
            node["description"] = f"{node['description']} ({said})" if node.get("description") else said
        if _is_object(node):
            if node.get("additionalProperties", False) is not False:
                losses.change(f"{path}.additionalProperties", "false")
            node["additionalProperties"] = False
        return node

    return rewrite(raw, path, lambda node: walk(node, fit))


def for_gemini(raw: Raw | None, losses: Losses, path: str) -> Raw:
    """The subset of JSON Schema that Google takes, references kept (T80, T81)."""
    if raw is None:
        return _EMPTY

    def fit(node: Node) -> Node:
        node = gathered(node)
        referring = "$ref" in node
        drops = [
            word for word in node if word in _GEMINI_DROPS or word in SILENT or (referring and not word.startswith("$"))
        ]
        for word in drops:
            del node[word]
            if word not in SILENT:
                losses.drop(f"{path}.{word}")
        return reworded(node, losses, path)

    return rewrite(raw, path, lambda node: walk(node, fit))


def for_gemini_legacy(raw: Raw | None, losses: Losses, path: str) -> Raw:
    """Google's older OpenAPI subset: references inlined, types in capitals, null as `nullable` (T81, T82)."""
    return _EMPTY if raw is None else rewrite(raw, path, lambda node: openapi(node, losses, path))


def from_gemini(raw: Raw) -> Raw:
    """Google's OpenAPI subset as JSON Schema. Raises `RequestRefused` for what is no JSON object."""
    return rewrite(raw, "schema", from_openapi)


def _is_object(node: Node) -> bool:
    kinds = node.get("type")
    return kinds == "object" or "properties" in node or (isinstance(kinds, list) and "object" in kinds)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
