"""Which model `nexusflow demo` asks: a real one whose key is set, the cheapest of them, otherwise the simulated one."""

from pathlib import Path

import pytest

from codegen import compile_file
from nexusflow.cli.demo import choose_model
from nexusflow.ir.plan import Plan

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def plan() -> Plan:
    found = compile_file(ROOT / "gateway.yaml").plan
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def no_keys(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in plan.providers:
        if provider.credential is not None:
            monkeypatch.delenv(provider.credential.name, raising=False)


def test_without_any_key_the_simulated_model_is_asked(plan: Plan) -> None:
    model = choose_model(plan, None)
    assert model is not None
    assert model.id == "simulator/chat"


def test_with_a_key_the_cheapest_real_model_is_asked(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    model = choose_model(plan, None)
    assert model is not None
    assert {lane.provider for lane in model.lanes} == {"openai"}
    assert model.price is not None
    mine = [
        one
        for one in plan.models
        if "openai/chat-completions" in one.requests and any(lane.provider == "openai" for lane in one.lanes)
    ]
    cheapest = min(plan.prices[one.price].tokens.output for one in mine if one.price is not None)
    assert plan.prices[model.price].tokens.output == cheapest


def test_a_model_without_its_key_cannot_be_wanted(plan: Plan) -> None:
    assert choose_model(plan, "gpt-5.4") is None
    assert choose_model(plan, "simulator/fault-cut") is not None
