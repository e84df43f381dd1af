"""Fixes for values that break the schema. Each is offered only when one edit is plainly what was meant."""

import re
from typing import Any

from codegen import scalars
from codegen.diagnostics import Fix
from codegen.source import Path, Span
from codegen.tree import Tree

_NUMBER = re.compile(r"([-+]?\d+(?:[_ ,]\d{3})*|[-+]?\d+)(\.\d+)?\s*([A-Za-z]*)")
_UNITS = {
    "": 1,
    "k": 1000,
    "m": 1000**2,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def rename(span: Span, name: str) -> Fix:
    """Write another field name."""
    return Fix(span, name, f"rename to `{name}`")


def exact(tree: Tree, path: Path) -> Span | None:
    """Place of a value that is written at this very path, so that an edit there changes nothing else."""
    return tree.spans.get(path) if path not in tree.origins else None


def replace(tree: Tree, path: Path, value: scalars.Scalar) -> Fix | None:
    """Write another value."""
    span = exact(tree, path)
    written = scalars.write(value)
    return Fix(span, written, f"write {written}") if span else None


def insert(tree: Tree, path: Path, name: str, value: scalars.Scalar) -> Fix | None:
    """Put a field before the first one of a group, in the same column or inside the same braces."""
    mapping = tree.get(path)
    first = tree.keys.get((*path, next(iter(mapping)))) if mapping else None
    outer = exact(tree, path)
    if first is None or outer is None:
        return None
    field = f"{name}: {scalars.write(value)}"
    flow = tree.source.text[outer.start] == "{"
    column = tree.source.position(first.start).column
    separator = ", " if flow else "\n" + " " * (column - 1)
    return Fix(Span(first.start, first.start), field + separator, f"add `{field}`")


def convert(tree: Tree, path: Path, value: Any, types: list[str], schema: dict[str, Any]) -> Fix | None:
    """Write the same value in the type that is expected: a number without unit, a quoted price, a list of one."""
    span = exact(tree, path)
    if span is None or len(types) != 1:
        return None
    expected, written = types[0], tree.source.slice(span)
    if expected in ("integer", "number"):
        number = _number(value, whole=expected == "integer")
        return replace(tree, path, number) if number is not None else None
    if expected == "boolean" and isinstance(value, str) and value.lower() in _TRUTH:
        return replace(tree, path, _TRUTH[value.lower()])
    if expected == "string" and isinstance(value, int | float):
        fits = re.search(schema.get("pattern", ""), written)
        return Fix(span, f'"{written}"', f'quote it: "{written}"') if fits else None
    if expected == "array" and isinstance(value, str) and schema.get("items", {}).get("type", "string") == "string":
        return Fix(span, f"[{written}]", f"make it a list: [{written}]")
    return None


def _number(value: object, whole: bool) -> int | float | None:
    """The number a text or a float stands for beyond doubt, such as 128000 for `128k` or 33554432 for `32 MiB`."""
    if isinstance(value, float):
        return int(value) if whole and value.is_integer() else None
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    unit = found[3] if found else ""
    # In units of time `m` is a minute; a million is a capital letter.
    if found is None or unit == "m" or unit.lower() not in _UNITS:
        return None
    digits = re.sub("[_ ,]", "", found[1])
    number = float(digits + (found[2] or "")) * _UNITS[unit.lower()]
    if number.is_integer() and not found[2]:
        return int(digits) * _UNITS[unit.lower()]
    if whole:
        return int(number) if number.is_integer() else None
    return number
