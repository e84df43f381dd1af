"""Schema errors: the right place, the right words, and the verdict of a general validator (SEC-47)."""

import json
import math
import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import codegen.schema
import codegen.spec
from codegen.check import check_source, gateway_schema, load
from codegen.diagnostics import Diagnostic
from codegen.profile import KEYWORDS
from codegen.reader import read
from codegen.schema import schema_text, validate
from codegen.schema_errors import MOST
from codegen.source import Source
from codegen.spec import Spec
from codegen.tree import Tree
from codegen.words import a, noun, plural, show

ROOT = Path(__file__).parents[3]
SCHEMA = gateway_schema()
DEFS: dict[str, Any] = SCHEMA["$defs"]
SPEC_VALUE = SCHEMA["examples"][0]
ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "examples", "default"}

GATEWAY = """\
version: 1
providers:
  openai:
    protocol: openai/chat-completions
    base_url: https://api.openai.com/v1
models:
  gpt-5:
    owner: openai
    category: language
    supported_protocols: [openai/chat-completions]
    free: true
    lanes: [{provider: openai}]
"""


def tree_of(value: object) -> Tree:
    tree, findings = read(Source("f", json.dumps(value)))
    assert tree is not None, findings
    return tree


def found(text: str) -> list[Diagnostic]:
    return list(check_source(Source("gateway.yaml", text))[1])


def only(text: str) -> tuple[str, str, str]:
    """Code, marked text and message of the one finding."""
    [item] = found(text)
    return item.code, Source("f", text).slice(item.primary.span), item.message


@pytest.mark.parametrize(
    ("before", "after", "code", "marked", "message"),
    [
        ("free", "fre", "NF101", "fre", "unknown field `fre` in model `gpt-5`"),
        ("provider: openai}", "provider: openai, w: 1}", "NF101", "w", "unknown field `w` in a lane"),
        ("version", "extra: 1\nversion", "NF101", "extra", "unknown field `extra`"),
        ("    owner: openai\n", "", "NF102", "gpt-5", "model `gpt-5` needs `owner`"),
        ("{provider: openai}", "{weight: 2}", "NF102", "weight", "a lane needs `provider`"),
        ("version: 1\n", "", "NF102", "providers", "the file needs `version`"),
        ("language", "langauge", "NF103", "langauge", "`langauge` is not a category"),
        ("[openai/chat-completions]", "[openai]", "NF103", "openai", "`openai` is not a protocol"),
        (
            "free: true",
            "unknown_params: keep\n    free: true",
            "NF103",
            "keep",
            "`keep` is not a value of `unknown_params`",
        ),
        ("version: 1", "version: true", "NF103", "true", "`version` must be 1, not `true`"),
        ("free: true", "free: 'true'", "NF104", "'true'", "`free` takes true or false, got text `true`"),
        ("owner: openai", "owner: 0x1F", "NF104", "0x1F", "`owner` takes text, got number `0x1F`"),
        ("owner: openai", "owner:", "NF104", "", "`owner` takes text, got nothing"),
        ("[{provider: openai}]", "[openai]", "NF104", "openai", "a lane takes a group of fields, got text `openai`"),
        ("free: true", "tags: [1]\n    free: true", "NF104", "1", "item 1 of `tags` takes text, got number `1`"),
        ("free: true", "free: true\n    context_tokens: .nan", "NF104", ".nan", None),
        ("free: true", "free: true\n    context_tokens: 1e999", "NF104", "1e999", None),
        ("https://api.openai.com/v1", "ftp://x", "NF105", "ftp://x", None),
        ("free: true", "free: true\n    tags: [A B]", "NF105", "A B", None),
        (
            "free: true",
            "free: true\n    context_tokens: 0",
            "NF106",
            "0",
            "`context_tokens` is 0; the smallest allowed is 1",
        ),
        ("[{provider: openai}]", "[]", "NF106", "[]", "`lanes` is empty; at least 1 entry must be there"),
        (
            "free: true",
            "free: true\n    title: ''",
            "NF106",
            "''",
            "`title` is empty; at least 1 character must be there",
        ),
        (
            "version: 1",
            "version: 1\nstores: {database: {kind: x, y: 1}}",
            "NF107",
            "x",
            "`x` is not a kind of database",
        ),
        ("version: 1", "version: 1\nstores: {database: {path: x}}", "NF102", "database", "`database` needs `kind`"),
        ("  gpt-5:", "  gpt 5:", "NF108", "gpt 5", None),
        ("/v1\n", "/v1\n    credential: {}\n", "NF109", "credential", None),
        ("version: 1", "version: 1\ntelemetry: {log_content: true}", "NF190", "log_content", None),
    ],
)
def test_each_keyword_is_reported_at_its_place_in_plain_words(
    before: str, after: str, code: str, marked: str, message: str | None
) -> None:
    text = GATEWAY.replace(before, after, 1)
    got = only(text)
    assert got[:2] == (code, marked)
    assert message is None or got[2] == message


def test_one_message_per_text_that_is_too_long() -> None:
    """Its pattern, which bounds the length too, would only say the same again."""
    assert only(GATEWAY.replace("owner: openai", "owner: " + "x" * 64))[0] == "NF106"


def test_x_error_is_the_reason_that_is_given() -> None:
    reason = DEFS["Amount"]["x-error"]
    assert reason in only(GATEWAY.replace("free: true", 'price: {input: "1,5"}'))[2]


def test_a_misspelled_required_field_is_reported_once() -> None:
    assert [item.code for item in found(GATEWAY.replace("category", "categry"))] == ["NF101"]


def test_a_secret_in_place_of_a_reference_is_not_repeated() -> None:
    [item] = found(GATEWAY.replace("/v1\n", "/v1\n    credential: hunter2hunter2\n"))
    assert item.code == "NF104"
    assert "hunter2" not in item.message + "".join(item.help)
    assert "env" in item.help[0]


def test_pending_fields_are_gathered_and_what_is_inside_them_is_not_repeated() -> None:
    each = {"type": "object", "properties": {"slo": {"type": "string", "x-pending": "the alert rules"}}}
    several = {"type": "object", "properties": {"models": {"type": "array", "items": each}}}
    items = validate(tree_of({"models": [{"slo": "a"}, {"slo": "b"}, {"slo": "c"}]}), several)
    assert [item.code for item in items] == ["NF190"]
    assert "2 other places" in items[0].message
    inner = {"type": "object", "properties": {"b": {"type": "integer", "x-pending": "the inner part"}}}
    schema = {"type": "object", "properties": {"a": {**inner, "x-pending": "the outer part"}, "c": inner}}
    items = validate(tree_of({"a": {"b": 1}, "c": {"b": 2}}), schema)
    assert [item.message.partition(": it waits for ")[2] for item in items] == ["the outer part", "the inner part"]


def test_a_file_of_nothing_but_errors_is_not_put_into_words_to_the_end() -> None:
    text = GATEWAY + "".join(f"unknown{n}: 1\n" for n in range(MOST + 500))
    assert len(found(text)) == MOST


def test_an_empty_file_and_a_list_are_named_as_such() -> None:
    assert only("")[2] == "the file is empty"
    assert only("- a\n")[2] == "the file takes a group of fields, got a list"


def test_a_value_behind_an_alias_shows_both_places() -> None:
    text = (
        GATEWAY.replace("free: true", "tags: &t [A B]\n    free: true").replace(
            "models:\n", "defaults: {unknown_params: pass}\nmodels:\n"
        )
        + "    aliases: *t\n"
    )
    first, second = found(text)
    source = Source("f", text)
    assert source.slice(first.primary.span) == "A B"
    assert (source.slice(second.primary.span), source.slice(second.secondary[0].span)) == ("*t", "A B")


def test_findings_are_sorted_by_place() -> None:
    text = GATEWAY.replace("language", "x").replace("version: 1", "version: 3").replace("true", "3")
    starts = [item.primary.span.start for item in validate(read(Source("f", text))[0] or tree_of({}), SCHEMA)]
    assert starts == sorted(starts)
    assert len(starts) == 3


@pytest.mark.parametrize(
    "path", ["gateway.yaml", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("examples/*/gateway.yaml"))]
)
def test_every_catalogue_of_this_repository_has_no_error(path: str) -> None:
    source, unreadable = load(ROOT / path)
    assert unreadable is None
    tree, items = check_source(source)
    assert tree is not None
    assert [item for item in items if item.severity == "error"] == []
    msgspec.convert(tree.value, Spec)


def test_every_keyword_of_the_profile_is_checked() -> None:
    """A keyword that the profile allows and the walk does not know would silently accept anything."""
    known = set(codegen.schema._CHECKS) | ANNOTATIONS | {"x-since", "x-deprecated", "x-secret", "x-error"}
    assert KEYWORDS - known == set()


def mutated(value: Any, chance: random.Random) -> Any:
    """The value with about one part of it changed, removed, renamed or added."""
    junk: list[Any] = [
        None,
        True,
        0,
        -1,
        7,
        10**12,
        0.5,
        "",
        "x",
        "openai",
        "Bad Name",
        "128k",
        [],
        ["x"],
        {},
        {"env": "A"},
    ]
    if chance.random() < 0.12:
        return chance.choice(junk)
    if isinstance(value, list):
        items = [mutated(item, chance) for item in value]
        return items * 2 if chance.random() < 0.1 else items[:-1] if chance.random() < 0.1 else items
    if isinstance(value, dict):
        changed = {name: mutated(item, chance) for name, item in value.items() if chance.random() > 0.1}
        if chance.random() < 0.1:
            changed[chance.choice(["kind", "env", "file", "x", "A b", "price", "limits", "tags", "version"])] = (
                chance.choice(junk)
            )
        return changed
    return value


@given(st.sampled_from(sorted(DEFS)), st.randoms(use_true_random=False))
@settings(max_examples=600, deadline=None)
def test_the_walk_agrees_with_a_general_validator(name: str, chance: random.Random) -> None:
    schema = {"$ref": f"#/$defs/{name}", "$defs": DEFS}
    value = mutated(chance.choice(DEFS[name]["examples"]), chance)
    errors = [item for item in validate(tree_of(value), schema) if item.severity == "error"]
    expected = Draft202012Validator(schema).is_valid(value)
    assert (not errors) is expected, [item.message for item in errors]


@given(st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_a_whole_file_that_passes_converts_to_the_spec(chance: random.Random) -> None:
    value = mutated(chance.choice([SPEC_VALUE, {**SPEC_VALUE, "gateway": DEFS["Gateway"]["examples"][0]}]), chance)
    errors = [item for item in validate(tree_of(value), SCHEMA) if item.severity == "error"]
    assert (not errors) is Draft202012Validator(SCHEMA).is_valid(value)
    if not errors:
        msgspec.convert(value, Spec)


@pytest.mark.parametrize("value", [8080.0, math.nan, math.inf])
def test_where_the_walk_is_stricter_on_purpose(value: float) -> None:
    """What the typed Spec could not hold is refused here, so that conversion never fails later."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "f": {"type": "number", "maximum": 9}}}
    field = "n" if value == 8080.0 else "f"
    tree = Tree(Source("f", ""), {field: value}, read(Source("f", "a: 1"))[0].spans, {}, {})  # type: ignore[union-attr]
    assert [item.code for item in validate(tree, schema)] == ["NF104"]


def test_schema_text_is_found_beside_the_checkout_or_inside_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert json.loads(schema_text())["$id"].endswith("gateway.v1.schema.json")
    package = tmp_path / "codegen"
    package.mkdir()
    (package / "gateway.v1.schema.json").write_text('{"packaged": true}', encoding="utf-8")
    monkeypatch.setattr(codegen.schema, "__file__", str(package / "schema.py"))
    monkeypatch.setattr(codegen.schema, "files", lambda name: tmp_path / name)
    assert schema_text() == '{"packaged": true}'


def test_words_for_definitions_and_values() -> None:
    assert [noun(name) for name in ("Lane", "UpstreamProtocol")] == ["lane", "upstream protocol"]
    assert [a("lane"), a("upstream protocol"), plural("category"), plural("entry")] == [
        "a lane",
        "an upstream protocol",
        "categories",
        "entries",
    ]
    assert [show(True), show(1), show(None), show([]), show("x" * 99)[-3:]] == [
        "`true`",
        "`1`",
        "nothing",
        "a list",
        "x…`",
    ]
    assert re.fullmatch("`x{59}…`", show("x" * 99))
