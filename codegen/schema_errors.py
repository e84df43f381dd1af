"""Schema errors: one handler per keyword says which place to show, in which words, and whether an edit would help."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from codegen import schema_fixes as fixes
from codegen.diagnostics import Diagnostic, Fix, Label
from codegen.profile import Schema
from codegen.rules import report
from codegen.schema_rules import (
    BAD_FORMAT,
    BAD_NAME,
    EXACTLY_ONE,
    MISSING_FIELD,
    NOT_YET_READ,
    OUT_OF_RANGE,
    UNKNOWN_FIELD,
    UNKNOWN_KIND,
    UNKNOWN_VALUE,
    WRONG_TYPE,
)
from codegen.source import Path, Span
from codegen.suggest import did_you_mean, likely, nearest, quoted
from codegen.tree import Tree
from codegen.words import a, field_of, noun, plural, show

Role = Literal["root", "field", "entry", "item"]
_LISTED = 6
MOST = 1000
"""Failures that are put into words. Looking for similar names takes time, and nobody reads the rest."""


class Failure(Struct, frozen=True, kw_only=True):
    """A value that broke one keyword of the schema.

    `definition` is the `$def` the keyword stands in, if any. `role` says how the value was reached: as a field of a
    closed object, an entry of a map, an item of a list, or not at all. `argument` is the keyword's, or what the
    handler below says it needs.
    """

    keyword: str
    value: Any
    argument: Any
    schema: Schema
    path: Path
    definition: str | None
    role: Role


def diagnose(failures: list[Failure], tree: Tree) -> list[Diagnostic]:
    """The findings for these failures, in order of place; of errors, the first MOST."""
    broken = [item for item in failures if item.keyword != "x-pending"][:MOST]
    found = [_HANDLERS[item.keyword](item, tree) for item in _without_misspelled(broken, tree)]
    found += _pending([item for item in failures if item.keyword == "x-pending"], tree)
    return sorted(found, key=lambda item: (item.primary.span, item.code))


def _without_misspelled(failures: list[Failure], tree: Tree) -> Iterator[Failure]:
    """The failures, less each missing field that is there under a misspelled name: that name is reported already."""
    meant = {
        (item.path, name)
        for item in failures
        if item.keyword == "additionalProperties" and (name := likely(item.value, _unset(item, tree)))
    }
    for item in failures:
        if item.keyword != "required":
            yield item
        elif missing := [name for name in item.argument if (item.path, name) not in meant]:
            yield replace(item, argument=missing)


def _finding(
    code: str, message: str, span: Span, failure: Failure, tree: Tree, *help_: str, fix: Fix | None = None
) -> Diagnostic:
    written = tree.origin(failure.path)
    secondary = (Label(tree.at(written), "the alias stands for this"),) if written is not None else ()
    helps = tuple(filter(None, help_))
    return report(code, message, span, help=helps, secondary=secondary, fix=fix, path=failure.path)


def _subject(failure: Failure) -> str:
    """The thing a failure is about: the file, model `gpt-5`, a lane, `timeouts`."""
    if failure.role == "root":
        return "the file"
    kind = noun(failure.definition) if failure.definition else ""
    if failure.role == "entry":
        return f"{kind} `{failure.path[-1]}`".strip()
    if failure.role == "item":
        return a(kind) if kind else f"item {int(failure.path[-1]) + 1} of `{field_of(failure.path)}`"
    return f"`{failure.path[-1]}`"


def _listed(label: str, names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    more = len(names) - _LISTED
    return f"{label}: {shown} and {more} more" if more > 0 else f"{label}: {shown}"


def _choices(word: object, label: str, names: list[str]) -> str:
    """The help line that offers the names close to a word, and all names when they are few or none is close."""
    close = nearest(word, names) if isinstance(word, str) else ()
    listed = _listed(label, names) if not close or len(names) <= _LISTED else ""
    return " ".join(filter(None, [did_you_mean(close) if close else "", listed]))


def _unset(failure: Failure, tree: Tree) -> list[str]:
    """Names of the fields that an object could still have."""
    return [name for name in failure.argument if name not in tree.get(failure.path)]


def _unknown_field(failure: Failure, tree: Tree) -> Diagnostic:
    """`value` is the field's name; `argument` all names there are."""
    path = (*failure.path, failure.value)
    span = tree.key(path)
    unset = _unset(failure, tree)
    help_ = _choices(failure.value, "fields", unset)
    meant = likely(failure.value, unset)
    fix = fixes.rename(span, meant) if meant and path in tree.keys else None
    where = "" if failure.role == "root" else f" in {_subject(failure)}"
    return _finding(UNKNOWN_FIELD, f"unknown field {show(failure.value)}{where}", span, failure, tree, help_, fix=fix)


def _missing_field(failure: Failure, tree: Tree) -> Diagnostic:
    """`argument` has the names that are missing."""
    names: list[str] = failure.argument
    properties = failure.schema.get("properties", {})
    fix = None
    if len(names) == 1 and "const" in properties.get(names[0], {}):
        fix = fixes.insert(tree, failure.path, names[0], properties[names[0]]["const"])
    meanings = [fix.title] if fix else [f"`{name}`: {_first_sentence(properties.get(name, {}))}" for name in names]
    span = _owner(failure, tree)
    return _finding(
        MISSING_FIELD, f"{_subject(failure)} needs {quoted(names)}", span, failure, tree, *meanings, fix=fix
    )


def _missing_kind(failure: Failure, tree: Tree) -> Diagnostic:
    """`argument` is the field that tells the kinds apart, then all kinds."""
    field, *kinds = failure.argument
    help_ = _listed(plural(field), kinds)
    return _finding(MISSING_FIELD, f"{_subject(failure)} needs `{field}`", _owner(failure, tree), failure, tree, help_)


def _unknown_value(failure: Failure, tree: Tree) -> Diagnostic:
    names = [show(choice, "") for choice in failure.argument]
    field = field_of(failure.path)
    kind = noun(failure.definition) if failure.definition else ""
    last = kind.rpartition(" ")[2]
    is_noun = field.rpartition("_")[2] in (last, plural(last)) and not last.endswith("s")
    label = plural(kind) if is_noun else "values"
    message = f"{show(failure.value)} is not {a(kind) if is_noun else f'a value of `{field}`'}"
    help_ = _choices(failure.value, label, names)
    if len(names) == 1:
        message, help_ = f"`{field}` must be {names[0]}, not {show(failure.value)}", ""
    meant = likely(failure.value, names) if isinstance(failure.value, str) else None
    fix = fixes.replace(tree, failure.path, failure.argument[names.index(meant)]) if meant else None
    return _finding(UNKNOWN_VALUE, message, tree.at(failure.path), failure, tree, help_, fix=fix)


def _unknown_kind(failure: Failure, tree: Tree) -> Diagnostic:
    """`path` leads to the field that tells the kinds apart; `argument` has all kinds."""
    help_ = _choices(failure.value, plural(str(failure.path[-1])), failure.argument)
    meant = likely(failure.value, failure.argument) if isinstance(failure.value, str) else None
    fix = fixes.replace(tree, failure.path, meant) if meant else None
    thing = a(noun(failure.definition)) if failure.definition else f"`{failure.path[-2]}`"
    message = f"{show(failure.value)} is not a kind of {thing.partition(' ')[2] or thing}"
    return _finding(UNKNOWN_KIND, message, tree.at(failure.path), failure, tree, help_, fix=fix)


_TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a group of fields",
    "null": "nothing",
}


def _wrong_type(failure: Failure, tree: Tree) -> Diagnostic:
    """`argument` has the types that are allowed."""
    span = tree.at(failure.path)
    wanted = " or ".join(_TYPE_WORDS[name] for name in failure.argument)
    secret = failure.definition == "SecretRef"
    fix = fixes.convert(tree, failure.path, failure.value, failure.argument, failure.schema)
    help_ = fix.title if fix else ""
    if secret:
        help_ = "name where the secret is: {env: NAME_OF_A_VARIABLE} or {file: /path}; it never stands here itself"
    message = f"{_subject(failure)} takes {wanted}, got {_got(failure.value, tree, failure.path, secret)}"
    if failure.role == "root" and failure.value is None:
        message, help_ = "the file is empty", "`nexusflow init` writes one to start from"
    return _finding(WRONG_TYPE, message, span, failure, tree, help_, fix=fix)


def _got(value: object, tree: Tree, path: Path, secret: bool) -> str:
    if value is None or isinstance(value, dict | list):
        return show(value)
    kind = "text" if isinstance(value, str) else "" if isinstance(value, bool) else "number"
    if secret:
        return kind or "true or false"
    span = fixes.exact(tree, path)
    written = tree.source.slice(span) if span and not isinstance(value, str) else value
    if isinstance(value, float) and not math.isfinite(value):
        return f"{show(written)}, which is not finite"
    return f"{kind} {show(written)}".strip()


def _bad_format(failure: Failure, tree: Tree) -> Diagnostic:
    says = failure.schema.get("x-error") or f"it must match {failure.argument}"
    verb = "hold" if failure.role == "item" else "be"
    message = f"`{field_of(failure.path)}` cannot {verb} {show(failure.value)}: {says}"
    return _finding(BAD_FORMAT, message, tree.at(failure.path), failure, tree)


def _bad_name(failure: Failure, tree: Tree) -> Diagnostic:
    """`value` is the name; `argument` is the failure of the name itself."""
    broken: Failure = failure.argument
    says = broken.schema.get("x-error") or _range_words(broken)
    return _finding(BAD_NAME, f"{show(failure.value)} cannot be a name: {says}", tree.key(failure.path), failure, tree)


def _exactly_one(failure: Failure, tree: Tree) -> Diagnostic:
    """`argument` has the names of the alternatives."""
    given = quoted(failure.value) if failure.value else "none"
    message = f"{_subject(failure)} takes exactly one of {quoted(failure.argument)}, got {given}"
    help_ = f"keep one of {quoted(failure.value, 'or')}" if failure.value else ""
    return _finding(EXACTLY_ONE, message, _owner(failure, tree), failure, tree, help_)


def _out_of_range(failure: Failure, tree: Tree) -> Diagnostic:
    message = f"{_subject(failure)} {_range_words(failure)}"
    return _finding(OUT_OF_RANGE, message, tree.at(failure.path), failure, tree)


def _range_words(failure: Failure) -> str:
    value, bound = failure.value, failure.argument
    units = {"Length": "character", "Items": "entry", "Properties": "entry"}
    unit = units.get(failure.keyword[3:], "")
    if not unit:
        word = "smallest" if failure.keyword == "minimum" else "largest"
        return f"is {show(value, '')}; the {word} allowed is {_number(bound)}"
    least = failure.keyword.startswith("min")
    have = "is empty" if not value else f"has {_count(len(value), unit)}"
    return f"{have}; {'at least' if least else 'at most'} {_count(bound, unit)} {'must' if least else 'may'} be there"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit if number == 1 else plural(unit)}"


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)


def _owner(failure: Failure, tree: Tree) -> Span:
    """Place that stands for a whole group: its name, or the beginning of a list item or of the file."""
    span = tree.key(failure.path)
    if failure.path in tree.keys or failure.path in tree.origins or span.start == span.end:
        return span
    mapping = failure.value
    first = tree.keys.get((*failure.path, next(iter(mapping)))) if mapping else None
    return first or span


def _first_sentence(schema: Schema) -> str:
    description: str = schema.get("description", "")
    return description.partition(". ")[0].rstrip(".")


def _pending(failures: list[Failure], tree: Tree) -> Iterator[Diagnostic]:
    """One warning per field of the schema, at its first place; what is inside a pending field goes without saying."""
    paths = {item.path for item in failures}
    groups: dict[int, list[Failure]] = {}
    for item in failures:
        if not any(item.path[:end] in paths for end in range(1, len(item.path))):
            groups.setdefault(id(item.schema), []).append(item)
    for group in groups.values():
        first = min(group, key=lambda item: tree.key(item.path))
        others = f" (here and in {_count(len(group) - 1, 'other place')})" if len(group) > 1 else ""
        message = f"`{first.path[-1]}` has no effect in this version: it waits for {first.argument}{others}"
        yield _finding(NOT_YET_READ, message, tree.key(first.path), first, tree)


_HANDLERS: dict[str, Callable[[Failure, Tree], Diagnostic]] = {
    "additionalProperties": _unknown_field,
    "required": _missing_field,
    "kind": _missing_kind,
    "enum": _unknown_value,
    "oneOf": _unknown_kind,
    "type": _wrong_type,
    "pattern": _bad_format,
    "propertyNames": _bad_name,
    "exactlyOne": _exactly_one,
    **dict.fromkeys(
        ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        _out_of_range,
    ),
}
