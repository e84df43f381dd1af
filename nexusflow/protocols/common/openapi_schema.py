"""Google's older schema dialect, a part of OpenAPI 3.0, from JSON Schema and back (protocols 2.1.4, T81, T82).

It has no references, no list of types and no null; it refuses words that it does not know, and a choice must stand
alone in its node.
"""

import math
from typing import Any

from nexusflow.ir.loss import Losses
from nexusflow.protocols.common.schema_tree import Node, conjoined, inlined, walk

SILENT = frozenset(
    ("$schema", "$comment", "$id", "$anchor", "examples", "deprecated", "readOnly", "writeOnly", "propertyOrdering")
)
"""Keywords without a constraint: leaving them out loses nothing."""
_KNOWN = frozenset(
    (
        "type", "format", "title", "description", "nullable", "enum", "items", "minItems", "maxItems", "properties",
        "required", "minProperties", "maxProperties", "minimum", "maximum", "minLength", "maxLength", "pattern",
        "anyOf",
    )
)  # fmt: skip
_FORMATS = ("enum", "date-time", "float", "double", "int32", "int64")
_OF_TYPE: dict[str, frozenset[str]] = {
    "array": frozenset(("items", "minItems", "maxItems")),
    "object": frozenset(("properties", "required", "minProperties", "maxProperties")),
    "string": frozenset(("enum", "format", "pattern", "minLength", "maxLength")),
    "number": frozenset(("minimum", "maximum", "format")),
    "integer": frozenset(("minimum", "maximum", "format")),
}
"""Words that only nodes of that type may have."""
_ALONE = ("anyOf", "nullable", "title", "description")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_CAMEL = {
    "any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength",
    "max_length": "maxLength", "min_properties": "minProperties", "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering",
}  # fmt: skip


def openapi(root: Node, losses: Losses, path: str) -> Any:
    """A JSON Schema in this dialect. Whatever constraint it cannot hold is reported."""

    def fit(node: Node) -> Node:
        node = reworded(gathered(node), losses, path)
        _typed(node)
        _enumerated(node, losses, path)
        node = _choice(node, losses, path)
        for word in [word for word in node if word not in _KNOWN]:
            del node[word]
            if word not in SILENT:
                losses.drop(f"{path}.{word}")
        if node.get("format", "enum") not in _FORMATS:
            del node["format"]
            losses.drop(f"{path}.format")
        if isinstance(node.get("type"), str):
            node["type"] = node["type"].upper()
        return node

    return walk(inlined(root, losses, path), fit)


def from_openapi(root: Node) -> Any:
    """This dialect as JSON Schema: lower-case types, null as a type, counts as numbers (they may come as text)."""
    return walk(root, _standard)


def gathered(node: Node) -> Node:
    """A node without `allOf`, where its members can be put together into one."""
    branches = node.get("allOf")
    if not isinstance(branches, list) or not all(isinstance(branch, dict) for branch in branches):
        return node
    if len(branches) > 1 and any("$ref" in branch for branch in branches):
        return node
    found: Node = {}
    for branch in branches:
        found = conjoined(found, gathered(branch))
    return conjoined(found, {word: value for word, value in node.items() if word != "allOf"})


def reworded(node: Node, losses: Losses, path: str) -> Node:
    """`const` and exclusive bounds in words that both of Google's dialects have (T80)."""
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for exclusive, inclusive, lower in (("exclusiveMinimum", "minimum", True), ("exclusiveMaximum", "maximum", False)):
        bound = node.pop(exclusive, None)
        if not _is_number(bound):
            continue
        if _kinds(node) == ["integer"]:
            bound = math.floor(bound) + 1 if lower else math.ceil(bound) - 1
        else:
            losses.change(f"{path}.{exclusive}", inclusive)
        other = node.get(inclusive)
        node[inclusive] = (max if lower else min)(bound, other) if _is_number(other) else bound
    return node


def _kinds(node: Node) -> list[Any]:
    """The types of a node, but for null."""
    kinds = node.get("type")
    return [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if kind != "null"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _typed(node: Node) -> None:
    """One type, and null as `nullable`; several types become a choice, each with the words that are its own."""
    kinds = node.get("type")
    if isinstance(kinds, list):
        others = [kind for kind in _kinds(node) if isinstance(kind, str)]
        if "null" in kinds:
            node["nullable"] = True
        del node["type"]
        if len(others) == 1:
            node["type"] = others[0]
        elif others:
            own = {word: node.pop(word) for words in _OF_TYPE.values() for word in words if word in node}
            node["anyOf"] = [
                {"type": kind, **{word: own[word] for word in _OF_TYPE.get(kind, ()) if word in own}} for kind in others
            ]
    elif not isinstance(kinds, str):
        node.pop("type", None)


def _enumerated(node: Node, losses: Losses, path: str) -> None:
    """An enum has strings only; null in it is `nullable`."""
    values = node.get("enum")
    if values is None:
        node.pop("enum", None)
        return
    given = values if isinstance(values, list) else []
    strings = [value for value in given if value is not None]
    if len(strings) < len(given):
        node["nullable"] = True
    if strings and all(isinstance(value, str) for value in strings):
        node["enum"] = strings
        node.setdefault("type", "string")
    else:
        del node["enum"]
        losses.drop(f"{path}.enum")


def _choice(node: Node, losses: Losses, path: str) -> Node:
    """A choice alone in its node. Null among the branches is `nullable`, and a single branch no choice."""
    if "oneOf" in node:
        node.setdefault("anyOf", node["oneOf"])
        del node["oneOf"]
    given = node.pop("anyOf", None)
    if not isinstance(given, list):
        return node
    branches = [branch for branch in given if isinstance(branch, dict) and not _is_null(branch)]
    if any(_is_null(branch) for branch in given):
        node["nullable"] = True
    if len(branches) == 1:
        return _single(node, branches[0], losses, path)
    if not branches:
        return node
    if node.get("type") == "object" or "properties" in node:
        losses.change(f"{path}.anyOf", "properties")
        return _loosened(node, branches)
    if "items" in node:
        losses.drop(f"{path}.anyOf")
        return node
    shared = {word: value for word, value in node.items() if word not in _ALONE}
    alone = {word: node[word] for word in _ALONE if word in node}
    return {**alone, "anyOf": [conjoined(shared, branch) for branch in branches]}


def _single(node: Node, branch: Node, losses: Losses, path: str) -> Node:
    """The only branch with the words around it, which are the nearer ones to the reader of a description."""
    node = gathered({**conjoined(branch, node)})
    node = reworded(node, losses, path)
    _typed(node)
    _enumerated(node, losses, path)
    return _choice(node, losses, path) if "anyOf" in node or "oneOf" in node else node


def _loosened(node: Node, branches: list[Node]) -> Node:
    """An object with the properties of every branch, of which it must have those that all of them must have."""
    found = dict(node)
    merged: Node = {}
    for branch in (*reversed(branches), node):
        if isinstance(branch.get("properties"), dict):
            merged |= branch["properties"]
    if merged:
        found["properties"] = merged
    required = [branch["required"] if isinstance(branch.get("required"), list) else [] for branch in branches]
    shared = [name for name in required[0] if all(name in others for others in required)]
    return conjoined(found, {"required": shared}) if shared else found


def _is_null(node: Any) -> bool:
    return isinstance(node, dict) and str(node.get("type")).lower() == "null"


def _standard(node: Node) -> Node:
    node = {_CAMEL.get(word, word): value for word, value in node.items()}
    node.pop("propertyOrdering", None)
    if node.get("format") == "enum":
        del node["format"]
    kind = node.get("type")
    if kind == "TYPE_UNSPECIFIED":
        del node["type"]
    elif isinstance(kind, str):
        node["type"] = kind.lower()
    if node.pop("nullable", None) is True:
        _admit_null(node)
    for word in _COUNTS:
        if isinstance(node.get(word), str) and node[word].isdecimal():
            node[word] = int(node[word])
    return node


def _admit_null(node: Node) -> None:
    if isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
        if isinstance(node.get("enum"), list):
            node["enum"] = [*node["enum"], None]
    elif isinstance(node.get("anyOf"), list):
        node["anyOf"] = [*node["anyOf"], {"type": "null"}]
