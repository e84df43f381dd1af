"""The house profile: the small part of JSON Schema 2020-12 that the schema of gateway.yaml may use.

A profile this narrow keeps the generator short, lets each message name one thing, and is understood alike by Python
and by editors. `check_profile` lists every violation; an empty list means that `specgen` can translate the schema.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

Schema = dict[str, Any]

SENSITIVE = "SecretRef"
KEYWORDS = frozenset(
    {"$schema", "$id", "$defs", "$ref", "title", "description", "examples", "default", "type", "enum", "const"}
    | {"properties", "required", "additionalProperties", "propertyNames", "items", "oneOf", "pattern"}
    | {"minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "minProperties", "maxProperties"}
    | {"x-since", "x-deprecated", "x-secret", "x-error", "x-pending"}
)
# Python's `$` also matches before a last line feed; the lookahead makes both dialects mean the end of the text.
PATTERN_END = r"$(?!\n)"
BOUNDS = {
    "string": ("maxLength",),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "array": ("maxItems",),
}
_REF = re.compile(r"#/\$defs/([A-Z][A-Za-z0-9]*)")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_WORD = re.compile(r"[a-z0-9][a-z0-9_./-]*")
_NESTED_REPEAT = re.compile(r"[*+}]\)(?:[*+]|\{\d*,\d*\})")


class Violation(NamedTuple):
    """One broken rule: `where` is a JSON pointer into the schema, `rule` says what must hold there."""

    where: str
    rule: str


def ref_name(node: Schema) -> str | None:
    """The `$def` a node refers to, or `None` when it says itself what it is."""
    ref = node.get("$ref")
    found = _REF.fullmatch(ref) if isinstance(ref, str) else None
    return found[1] if found else None


def is_closed(node: Schema) -> bool:
    """Whether the node is an object with a fixed set of fields, which becomes a Struct."""
    return node.get("type") == "object" and node.get("additionalProperties") is False


def tag_of(node: Schema) -> tuple[str, str] | None:
    """Field and value that mark a branch of a union: its required property with a string `const`."""
    for name, prop in node.get("properties", {}).items():
        if isinstance(prop.get("const"), str) and name in node.get("required", ()):
            return name, prop["const"]
    return None


def children(node: Schema) -> Iterator[tuple[str, Schema]]:
    """Direct subschemas of a node with their pointers, in document order; `$defs` are not followed."""
    for name, prop in node.get("properties", {}).items():
        yield f"/properties/{name}", prop
    for key in ("propertyNames", "additionalProperties", "items"):
        if isinstance(node.get(key), dict):
            yield f"/{key}", node[key]
    for index, branch in enumerate(node.get("oneOf", ())):
        yield f"/oneOf/{index}", branch


def refs_in(node: Schema) -> Iterator[str]:
    """Names of all `$defs` used anywhere below a node."""
    name = ref_name(node)
    if name:
        yield name
    for _, child in children(node):
        yield from refs_in(child)


def check_profile(schema: Schema) -> list[Violation]:
    """All violations of the house profile, in document order; the schema itself is checked first."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [Violation("/" + "/".join(map(str, error.absolute_path)), error.message)]
    return list(_Check(schema).run())


class _Check:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.defs: dict[str, Schema] = schema.get("$defs", {})

    def run(self) -> Iterator[Violation]:
        if not re.fullmatch(r"https://.+\.v\d+\.schema\.json", self.schema.get("$id", "")):
            yield Violation("/$id", "`$id` is an absolute address with the major version")
        yield from self._part("", self.schema)
        for name, part in self.defs.items():
            yield from self._part(f"/$defs/{name}", part)
        used = set(refs_in(self.schema)).union(*(refs_in(part) for part in self.defs.values()))
        for name in sorted(set(self.defs) - used):
            yield Violation(f"/$defs/{name}", "a definition is used")
        for name in self.defs:
            if name in self._reachable(name):
                yield Violation(f"/$defs/{name}", "a definition does not contain itself")

    def _reachable(self, start: str) -> set[str]:
        seen: set[str] = set()
        queue = [start]
        while queue:
            found = set(refs_in(self.defs.get(queue.pop(), {}))) - seen
            seen |= found
            queue += found
        return seen

    def _valid(self, node: Schema, value: object) -> bool:
        return Draft202012Validator({**node, "$defs": self.defs}).is_valid(value)

    def _part(self, where: str, part: Schema) -> Iterator[Violation]:
        """Rules for the root and for each definition."""
        yield from _described(where, part)
        if not re.fullmatch(r"\d+\.\d+", part.get("x-since", "")):
            yield Violation(where, "`x-since` names the version that brought it")
        examples = part.get("examples", [])
        if not examples:
            yield Violation(where, "a definition has an example")
        for index, example in enumerate(examples):
            if not self._valid(part, example):
                yield Violation(f"{where}/examples/{index}", "an example is valid")
        yield from self._node(where, part)

    def _node(self, where: str, node: Schema) -> Iterator[Violation]:
        for keyword in node:
            if keyword not in KEYWORDS:
                yield Violation(where, f"keyword `{keyword}` is not in the profile")
        if "$ref" in node and ref_name(node) not in self.defs:
            yield Violation(where, "a `$ref` names one of the `$defs`")
        yield from _bounds(where, node)
        yield from _pattern(where, node)
        yield from _words(where, node)
        if "oneOf" in node:
            yield from self._union(where, node)
        if node.get("type") == "object":
            yield from self._object(where, node)
        for pointer, child in children(node):
            yield from self._node(where + pointer, child)

    def _object(self, where: str, node: Schema) -> Iterator[Violation]:
        if not is_closed(node):
            is_map = isinstance(node.get("additionalProperties"), dict) and "propertyNames" in node
            if not is_map or "properties" in node:
                yield Violation(where, "an object is closed, or a map with `propertyNames` and a schema for values")
            if "maxProperties" not in node:
                yield Violation(where, "a map has `maxProperties`")
        for name, prop in node.get("properties", {}).items():
            yield from self._property(f"{where}/properties/{name}", name, prop, name in node.get("required", ()))

    def _property(self, where: str, name: str, prop: Schema, required: bool) -> Iterator[Violation]:
        yield from _described(where, prop)
        if not _FIELD.fullmatch(name):
            yield Violation(where, "a field name is lower-case words joined by `_`")
        explained = "Absent:" in prop.get("description", "")
        if [required, "default" in prop, explained].count(True) != 1:
            yield Violation(where, "a field is required, or has a default, or says what absence means")
        if "default" in prop and not self._valid({k: v for k, v in prop.items() if k != "default"}, prop["default"]):
            yield Violation(where, "a default is valid")
        if prop.get("type") == "object" and prop.get("default"):
            yield Violation(where, "the default of a map is empty")
        if (prop.get("x-secret") is True) != (ref_name(prop) == SENSITIVE):
            yield Violation(where, f"`x-secret` marks exactly the fields that refer to {SENSITIVE}")
        if "x-pending" in prop and not (isinstance(prop["x-pending"], str) and prop["x-pending"].startswith("the ")):
            yield Violation(where, "`x-pending` names what will read the field")

    def _union(self, where: str, node: Schema) -> Iterator[Violation]:
        tags = [tag_of(self.defs.get(ref_name(branch) or "", {})) for branch in node["oneOf"]]
        known = [tag for tag in tags if tag]
        if len(known) < len(tags) or len({field for field, _ in known}) != 1 or len(set(known)) < len(known):
            yield Violation(where, "branches of a union share a required field, each with its own text `const`")


def _described(where: str, node: Schema) -> Iterator[Violation]:
    if not re.match(r"[A-Z][^\n]*\.(?:\s|$)", node.get("description", "")):
        yield Violation(where, "a description begins with a sentence that stands alone")


def _bounds(where: str, node: Schema) -> Iterator[Violation]:
    kind = node.get("type")
    for name in [kind] if isinstance(kind, str) else kind or ():
        for bound in BOUNDS.get(name, ()):
            if bound not in node:
                yield Violation(where, f"{name} has `{bound}`")


def _pattern(where: str, node: Schema) -> Iterator[Violation]:
    pattern = node.get("pattern")
    if pattern is None:
        return
    if not (pattern.startswith("^") and pattern.endswith(PATTERN_END)):
        yield Violation(where, "a pattern covers the whole text")
    if "x-error" not in node:
        yield Violation(where, "a pattern has `x-error`: what is wrong, in plain words")
    if _NESTED_REPEAT.search(pattern) or re.search(r"\\\d|\(\?<", pattern):
        yield Violation(where, "a pattern is linear: no repeat of a repeat, no back reference, no lookbehind")


def _words(where: str, node: Schema) -> Iterator[Violation]:
    for value in [*node.get("enum", ()), *([node["const"]] if "const" in node else [])]:
        if isinstance(value, str) and not _WORD.fullmatch(value):
            yield Violation(where, "an enum holds lower-case words")
