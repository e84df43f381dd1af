"""JSON Schemas as trees: reading, walking and writing them, whatever a caller put into them.

A caller's schema may be deep, or refer to itself, or grow without end when its references are replaced. Every walk here
is bounded, and ends as a refusal that names the schema.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses

Node = dict[str, Any]

MAX_INLINED = 256 * 1024
"""Bytes of JSON by which replacing its references may enlarge one schema."""
_MAPS = ("properties", "$defs", "patternProperties", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLES = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_OLD_REFERENCES = (b'"$ref":"#/definitions/', b'"$ref":"#/components/schemas/')
_REFERENCE = b'"$ref":"#/$defs/'


def rewrite(raw: Raw, path: str, work: Callable[[Node], Any]) -> Raw:
    """The schema after `work`, which leaves the tree that it is given alone; what is equal to it stays byte for byte.

    Raises `RequestRefused` naming `path` for what is no JSON object, or is nested too deeply.
    """
    try:
        node = msgspec.json.decode(raw, type=Node)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _refused(path, "must be a JSON Schema object") from None
    try:
        found = work(modern(node))
        return raw if found == node else Raw(msgspec.json.encode(found))
    except RecursionError:
        raise _refused(path, "is nested too deeply") from None


def modern(node: Node) -> Node:
    """Definitions under their present name, `$defs`, at the root (T83)."""
    if "definitions" not in node and "components" not in node:
        return node
    text = msgspec.json.encode(node)
    for old in _OLD_REFERENCES:  # a quote inside of a string is escaped, so this matches members only
        text = text.replace(old, _REFERENCE)
    found = msgspec.json.decode(text, type=Node)
    older, oldest = found.pop("definitions", None), found.pop("components", None)
    merged = {**_map(_map(oldest).get("schemas")), **_map(older), **_map(found.get("$defs"))}
    return {**found, "$defs": merged} if merged else found


def walk(node: Any, fit: Callable[[Node], Node]) -> Any:
    """Apply `fit` to every schema of a schema, the outer before the inner. Data such as enums is left alone."""
    if not isinstance(node, dict):
        return node
    found = fit(dict(node))
    for word in _MAPS:
        if isinstance(found.get(word), dict):
            found[word] = {name: walk(inner, fit) for name, inner in found[word].items()}
    for word in _LISTS:
        if isinstance(found.get(word), list):
            found[word] = [walk(inner, fit) for inner in found[word]]
    for word in _SINGLES:
        if isinstance(found.get(word), dict):
            found[word] = walk(found[word], fit)
    return found


def inlined(root: Node, losses: Losses, path: str) -> Node:
    """References replaced by what they mean. One that leads back to itself, or nowhere, ends as any object (T81)."""
    defs = _map(root.get("$defs"))
    sizes = {name: len(msgspec.json.encode(meaning)) for name, meaning in defs.items()}
    left = MAX_INLINED

    def replaced(node: Any, seen: frozenset[str]) -> Any:
        nonlocal left
        if isinstance(node, list):
            return [replaced(item, seen) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return {word: replaced(value, seen) for word, value in node.items()}
        name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
        beside = {word: replaced(value, seen) for word, value in node.items() if word != "$ref"}
        if name in seen or sizes.get(name, left + 1) > left or not isinstance(defs[name], dict):
            losses.drop(f"{path}.$ref")
            return {"type": "object", **beside}
        left -= sizes[name]
        return {**replaced(defs[name], seen | {name}), **beside}

    found: Node = replaced({word: value for word, value in root.items() if word != "$defs"}, frozenset())
    return found


def conjoined(one: Node, other: Node) -> Node:
    """A schema for what both allow: their properties together, and of other words the second's."""
    found = {**one, **other}
    for word in ("properties", "$defs"):
        if isinstance(one.get(word), dict) and isinstance(other.get(word), dict):
            found[word] = {**one[word], **other[word]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        found["required"] = [*one["required"], *(name for name in other["required"] if name not in one["required"])]
    return found


def _map(value: Any) -> Node:
    return value if isinstance(value, dict) else {}


def _refused(path: str, what: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}` {what}", param=path, code="invalid_type")
