"""The schema file itself, its examples, and every gateway.yaml of this repository (architecture 3.2)."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

import codegen.spec
from codegen.spec import Model, Price, PriceChange, S3Results, Spec, SqliteDatabase

ROOT = Path(__file__).parents[3]
SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas" / "gateway.v1.schema.json").read_text(encoding="utf-8"))
EXAMPLES = [
    pytest.param(name, example, id=f"{name}-{index}")
    for name, part in SCHEMA["$defs"].items()
    for index, example in enumerate(part["examples"])
]
CATALOGUES = [
    "gateway.yaml",
    *(f"examples/{name}/gateway.yaml" for name in ("minimal", "local-llama", "two-providers")),
]


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


def messages(value: object) -> list[str]:
    return [
        f"{list(error.absolute_path)}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(value)
    ]


def minimal() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(SCHEMA["examples"][0]))
    return value


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_schema_is_valid_2020_12() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_each_example_is_valid_and_converts(name: str, example: object) -> None:
    assert list(validator(name).iter_errors(example)) == []
    msgspec.convert(example, getattr(codegen.spec, name))


@pytest.mark.parametrize("path", CATALOGUES)
def test_catalogue_is_valid_and_converts(path: str) -> None:
    value = load(path)
    assert messages(value) == []
    assert isinstance(msgspec.convert(value, Spec), Spec)


@pytest.mark.parametrize("path", CATALOGUES)
def test_catalogue_refers_only_to_what_it_defines(path: str) -> None:
    spec = msgspec.convert(load(path), Spec)
    names = [name for key, model in spec.models.items() for name in (key, *model.aliases)]
    assert len(names) == len(set(names))
    for name, model in spec.models.items():
        assert model.free == (model.price is None), name
        assert {lane.provider for lane in model.lanes} <= spec.providers.keys(), name


def test_catalogue_names_the_schema_for_editors() -> None:
    for path in CATALOGUES:
        first = (ROOT / path).read_text(encoding="utf-8").partition("\n")[0]
        target = (ROOT / path).parent / first.removeprefix("# yaml-language-server: $schema=")
        assert target.resolve() == ROOT / "schemas" / "gateway.v1.schema.json"


def test_simulated_models_are_free_and_served_by_the_simulator_only() -> None:
    spec = msgspec.convert(load("gateway.yaml"), Spec)
    simulated = {name for name, provider in spec.providers.items() if provider.simulated}
    for name, model in spec.models.items():
        uses = {lane.provider in simulated for lane in model.lanes}
        assert uses == {name.startswith("simulator/")}, name
        assert model.free == name.startswith("simulator/"), name


def test_defaults_are_those_of_the_schema() -> None:
    """Reliability 1.4: the default timeouts; protocols 6: families decide flags that are absent."""
    spec = msgspec.convert(minimal(), Spec)
    assert spec.gateway.timeouts.connect_seconds == 3
    assert spec.gateway.timeouts.stream_total_seconds == 1800
    assert spec.gateway.request.max_body_bytes == 32 * 1024 * 1024
    assert spec.gateway.protocols is None
    assert spec.stores.database == SqliteDatabase(path=".nexusflow/nexusflow.db")
    model = spec.models["simulator/chat"]
    assert (model.input, model.output, model.strategy) == (("text",), ("text",), "priority")
    assert model.capabilities.tools is None
    assert model.lanes[0].weight == 1


def test_unions_choose_by_kind_and_keywords_are_renamed() -> None:
    results = {"kind": "s3", "bucket": "b-1", "access_key": {"env": "A"}, "secret_key": {"file": "/s"}}
    value = {**minimal(), "stores": {"results": results}}
    assert messages(value) == []
    assert isinstance(msgspec.convert(value, Spec).stores.results, S3Results)
    change = msgspec.convert({"from": "2026-01-01", "price": {"input": "1"}}, PriceChange)
    assert change == PriceChange(from_="2026-01-01", price=Price(input="1"))


PRICES = ["0.25", "15", "0", "999999999.999999999"]
NOT_PRICES = [0.25, 15, "", "1e-7", "-1", "+1", ".5", "1.", "1,5", "1_000", "0.0000000001", "1234567890", "1\n", " 1"]


@pytest.mark.parametrize("text", PRICES)
def test_price_is_quoted_decimal_text(text: str) -> None:
    """Reliability 2.4: prices are quoted decimals with at most nine digits on each side."""
    assert validator("Amount").is_valid(text)


@pytest.mark.parametrize("value", NOT_PRICES)
def test_price_refuses_numbers_exponents_and_finer_amounts(value: object) -> None:
    assert not validator("Amount").is_valid(value)


@pytest.mark.parametrize("url", ["https://api.example.com/v1", "http://127.0.0.1:8089/v1", "https://[::1]:8443"])
def test_base_url_accepts_plain_addresses(url: str) -> None:
    assert validator("Provider").is_valid({"protocol": "simulator", "base_url": url})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b",
        "https://",
        "https://key@a/v1",
        "https://a/v1?key=1",
        "https://a/v1#x",
        "https://a b",
        "https://a/\n",
    ],
)
def test_base_url_refuses_secrets_and_queries(url: str) -> None:
    """SEC-60: a secret never stands in gateway.yaml, so not in an address either."""
    assert not validator("Provider").is_valid({"protocol": "simulator", "base_url": url})


@pytest.mark.parametrize("secret", ["sk-123", {}, {"env": "A", "file": "b"}, {"value": "sk-123"}, {"env": "1A"}])
def test_SEC60_a_credential_is_a_reference_to_exactly_one_place(secret: object) -> None:
    value = {"protocol": "simulator", "base_url": "https://a", "credential": secret}
    assert not validator("Provider").is_valid(value)


@pytest.mark.parametrize("value", ["org\r\nX-Evil: 1", "org\n", "é", "a\tb"])
def test_a_header_value_cannot_start_another_header(value: str) -> None:
    assert not validator("HeaderValue").is_valid(value)


def test_unknown_fields_are_refused_everywhere() -> None:
    value = minimal()
    value["models"]["simulator/chat"]["lane"] = []
    assert len(messages(value)) == 1
    with pytest.raises(msgspec.ValidationError, match="lane"):
        msgspec.convert(value["models"]["simulator/chat"], Model)


READ_NOW = {
    "Alert": {"name", "when", "threshold", "notify"},
    "Slo": {"name", "model", "success_rate", "ttft_p95_ms", "window_days"},
    "ModelSlo": {"success_rate", "ttft_p95_ms", "tpot_p95_ms"},
    "Provider": {"headers", "allow_http", "simulated", "stream_usage", "max_in_flight", "timeouts", "health"},
    "Model": {"aliases", "capabilities", "parameters", "unknown_params", "price", "free", "lanes", "prefer", "slo"},
    "Lane": {"provider", "model", "priority", "weight", "timeouts"},
    "Capabilities": {"tools", "parallel_tools", "sampling", "penalties", "stop_max", "n_max", "max_tokens_field"},
}


def test_pending_marks_stand_only_on_fields_nothing_reads() -> None:
    for name, fields in READ_NOW.items():
        props = SCHEMA["$defs"][name]["properties"]
        assert [field for field in fields if "x-pending" in props[field]] == []
    assert [name for name, prop in SCHEMA["properties"].items() if "x-pending" in prop] == []
