"""The house profile and the generator (architecture 3.2): each rule is broken once and must be noticed."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from codegen.profile import check_profile
from codegen.specgen import REFERENCE, SPEC, emit_reference, emit_spec, load_schema, main

Schema = dict[str, Any]
Mutation = Callable[[Schema], object]


def at(schema: Schema, name: str, field: str) -> Schema:
    node: Schema = schema["$defs"][name]["properties"][field]
    return node


MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "not 2020-12": (lambda s: s.update(type="objekt"), "/type"),
    "id without version": (lambda s: s.update({"$id": "https://x/gateway.json"}), "major version"),
    "anyOf": (lambda s: s["$defs"]["Lane"].update(anyOf=[{}]), "keyword `anyOf`"),
    "patternProperties": (lambda s: s["$defs"]["Lane"].update(patternProperties={}), "keyword `patternProperties`"),
    "uniqueItems": (lambda s: at(s, "Model", "tags").update(uniqueItems=True), "keyword `uniqueItems`"),
    "nested keyword": (lambda s: at(s, "Model", "tags")["items"].update(format="date"), "keyword `format`"),
    "foreign ref": (lambda s: at(s, "Lane", "price").update({"$ref": "other.json"}), "`$ref` names one"),
    "missing ref": (lambda s: at(s, "Lane", "price").update({"$ref": "#/$defs/Nothing"}), "`$ref` names one"),
    "open object": (lambda s: s["$defs"]["Lane"].pop("additionalProperties"), "closed, or a map"),
    "map without names": (lambda s: at(s, "Provider", "headers").pop("propertyNames"), "closed, or a map"),
    "unbounded map": (lambda s: at(s, "Provider", "headers").pop("maxProperties"), "`maxProperties`"),
    "union without tag": (lambda s: at(s, "DiskResults", "kind").update(const=1), "text `const`"),
    "union with equal tags": (lambda s: at(s, "DiskResults", "kind").update(const="s3"), "text `const`"),
    "tag not required": (lambda s: s["$defs"]["DiskResults"].pop("required"), "text `const`"),
    "no description": (lambda s: at(s, "Lane", "weight").pop("description"), "sentence"),
    "no sentence": (lambda s: at(s, "Lane", "weight").update(description="weight"), "sentence"),
    "absence unsaid": (lambda s: at(s, "Lane", "weight").pop("default"), "what absence means"),
    "absence said twice": (lambda s: at(s, "Lane", "model").update(default="x"), "what absence means"),
    "wrong default": (lambda s: at(s, "Lane", "weight").update(default=0), "default is valid"),
    "full map by default": (lambda s: at(s, "Provider", "headers").update(default={"A": "b"}), "map is empty"),
    "no example": (lambda s: s["$defs"]["Lane"].update(examples=[]), "has an example"),
    "wrong example": (lambda s: s["$defs"]["Lane"]["examples"].append({}), "example is valid"),
    "no since": (lambda s: s["$defs"]["Lane"].pop("x-since"), "x-since"),
    "secret unmarked": (lambda s: at(s, "Provider", "credential").pop("x-secret"), "x-secret"),
    "mark on no secret": (lambda s: at(s, "Provider", "title").update({"x-secret": True}), "x-secret"),
    "pending by nobody": (lambda s: at(s, "Provider", "health").update({"x-pending": True}), "x-pending"),
    "pattern unexplained": (lambda s: s["$defs"]["Amount"].pop("x-error"), "x-error"),
    "pattern open": (lambda s: s["$defs"]["Amount"].update(pattern="[0-9]"), "whole text"),
    "pattern lets a line end": (lambda s: s["$defs"]["Amount"].update(pattern="^[0-9]+$"), "whole text"),
    "slow pattern": (lambda s: s["$defs"]["Amount"].update(pattern="^([0-9]+)+$(?!\\n)"), "linear"),
    "back reference": (lambda s: s["$defs"]["Amount"].update(pattern="^(.)\\1$(?!\\n)"), "linear"),
    "unbounded text": (lambda s: at(s, "Lane", "model").pop("maxLength"), "string has `maxLength`"),
    "unbounded integer": (lambda s: at(s, "Lane", "weight").pop("maximum"), "integer has `maximum`"),
    "unbounded number": (lambda s: at(s, "Timeouts", "idle_seconds").pop("minimum"), "number has `minimum`"),
    "unbounded list": (lambda s: at(s, "Model", "lanes").pop("maxItems"), "array has `maxItems`"),
    "capital word": (lambda s: s["$defs"]["Modality"]["enum"].append("Text"), "lower-case words"),
    "camel case": (
        lambda s: s["$defs"]["Lane"]["properties"].update(maxWait=copy.deepcopy(at(s, "Lane", "weight"))),
        "field name",
    ),
    "unused": (lambda s: s["$defs"].update(Spare=copy.deepcopy(s["$defs"]["Lane"])), "definition is used"),
    "recursive": (lambda s: at(s, "Deprecated", "since").update({"$ref": "#/$defs/Model"}), "contain itself"),
}


def test_the_schema_keeps_the_profile() -> None:
    assert check_profile(load_schema()) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_noticed(name: str) -> None:
    mutate, expected = MUTATIONS[name]
    schema = load_schema()
    mutate(schema)
    found = [f"{where}: {rule}" for where, rule in check_profile(schema)]
    assert any(expected in line for line in found), found


def test_generated_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
    assert SPEC.read_text(encoding="utf-8") == emit_spec(load_schema())
    assert REFERENCE.read_text(encoding="utf-8") == emit_reference(load_schema())


def test_check_fails_on_a_stale_file_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "spec.py"
    stale.write_text("old\n")
    monkeypatch.setattr("codegen.specgen.SPEC", stale)
    monkeypatch.setattr("codegen.specgen.ROOT", tmp_path)
    assert main(["--check"]) == 1
    assert "spec.py is out of date" in capsys.readouterr().err
    assert stale.read_text() == "old\n"


def test_output_does_not_depend_on_the_hash_seed() -> None:
    """Architecture 5.4: the same input gives the same bytes in every process."""
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-m", "codegen.specgen", "--check"], env=env, cwd=SPEC.parents[1])
        assert done.returncode == 0


def generate(properties: Schema, **defs: Schema) -> dict[str, Any]:
    part = {"type": "object", "additionalProperties": False, "description": "A part.", "properties": properties}
    namespace: dict[str, Any] = {"__name__": "generated"}
    exec(emit_spec({**part, "$defs": defs}), namespace)
    return namespace


def test_awkward_names_are_renamed_on_the_python_side_only() -> None:
    spec = generate({"class": {"type": "integer", "default": 1}, "int": {"type": "integer", "default": 2}})["Spec"]
    value = msgspec.convert({"class": 5}, spec)
    assert (value.class_, value.int_) == (5, 2)
    assert msgspec.to_builtins(value) == {"class": 5, "int": 2}


def test_defaults_of_every_shape_become_values() -> None:
    item = {"type": "object", "additionalProperties": False, "description": "An item.", "required": ["kind"]}
    item["properties"] = {"kind": {"const": "item"}, "size": {"type": "number", "default": 1.5}}
    made = generate(
        {
            "pair": {"type": "array", "items": {"type": "integer"}, "default": [1, 20_000]},
            "map": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
            "either": {"$ref": "#/$defs/Either", "default": {"kind": "item", "size": 2}},
            "nothing": {"type": "boolean"},
        },
        Item=item,
        Either={"description": "A choice.", "oneOf": [{"$ref": "#/$defs/Item"}]},
    )
    value = made["Spec"]()
    assert (value.pair, value.map, value.nothing) == ((1, 20_000), {}, None)
    assert value.either == made["Item"](size=2)


def test_the_reference_names_every_field_with_its_state() -> None:
    text = emit_reference(load_schema())
    assert "| `first_byte_seconds` | number 0.01 to 86400 | `60` | Seconds from sending" in text
    assert "| `fallbacks` | list of [ModelName](#modelname), at most 8 | `[]` |" in text
    for name, part in load_schema()["$defs"].items():
        assert name in text
        for field in part.get("properties", {}):
            assert f"| `{field}` |" in text
