"""What gateway.yaml says of money, as the plan has it: B-03, B-11, B-13, budgets."""

from typing import Any

import pytest
import yaml

from codegen import compile_source
from codegen.source import Source
from nexusflow.ir.account import Budget
from nexusflow.ir.plan import Billing, BillingPolicy, Model, Plan, Price

DAY = 86_400_000
FIRST_OF_2027 = 1_798_761_600_000
PAID = {"input": "1", "output": "4"}
ADDRESSES = {
    "openai/chat-completions": "https://api.openai.com/v1",
    "openai/responses": "https://api.openai.com/v1",
    "anthropic/messages": "https://api.anthropic.com",
    "google/generate-content": "https://generativelanguage.googleapis.com",
}


def plan(protocol: str = "openai/chat-completions", *, top: dict[str, Any] | None = None, **model: Any) -> Plan:
    """The plan of one model `m` behind one provider of `protocol`."""
    about = {
        "owner": "o",
        "category": "language",
        "supported_protocols": list(ADDRESSES),
        "lanes": [{"provider": "p"}],
        **({} if "free" in model else {"price": PAID}),
        **model,
    }
    provider = {"protocol": protocol, "base_url": ADDRESSES[protocol]}
    document = {"version": 1, "providers": {"p": provider}, "models": {"m": about}, **(top or {})}
    compiled = compile_source(Source("gateway.yaml", yaml.safe_dump(document)))
    assert compiled.plan is not None, [found.code for found in compiled.diagnostics]
    return compiled.plan


def only(plan: Plan) -> Model:
    return plan.models[0]


def price(plan: Plan, at: int | None) -> Price:
    assert at is not None
    return plan.prices[at]


def narrowed(made: Plan, protocol: str) -> dict[str, bool]:
    """Which fields of a protocol's request are refused, by name."""
    shape = made.shapes[only(made).requests[protocol]]
    return {field.name: field.accept for field in shape.fields}


def test_B11_later_lists_stand_in_their_order_and_are_whole() -> None:
    changes = [
        {"from": "2027-01-02", "price": {"input": "3", "output": "9", "markup_percent": "0.01"}},
        {"from": "2027-01-01", "price": {"input": "2", "output": "8"}},
    ]
    made = plan(price={**PAID, "markup_percent": "12.5", "cache_read": "0.5"}, price_changes=changes)
    found = price(made, only(made).price)
    assert found.markup == 1_250
    assert [later.from_ms for later in found.later] == [FIRST_OF_2027, FIRST_OF_2027 + DAY]
    assert [later.price.markup for later in found.later] == [0, 1]
    assert found.later[0].price.tokens.cache_read == 2 * 10**9


def test_a_lane_has_its_own_list_with_its_own_changes_or_the_models() -> None:
    own = {"price": {"input": "9", "output": "9"}, "price_changes": [{"from": "2027-01-01", "price": PAID}]}
    lanes = [{"provider": "p"}, {"provider": "p", "model": "other", **own}]
    made = plan(lanes=lanes, price_changes=[{"from": "2028-01-01", "price": PAID}])
    model = only(made)
    assert model.lanes[0].price == model.price
    assert price(made, model.lanes[1].price).tokens.input == 9 * 10**9
    assert price(made, model.lanes[1].price).later[0].from_ms == FIRST_OF_2027


def test_what_an_exception_changes_changes_for_classes_without_a_price_of_their_own() -> None:
    """Thinking without a price costs what output costs, also where output costs more."""
    dear = {"input": "2", "output": "8"}
    made = plan(
        price={**PAID, "cache_read": "0.5", "above": [{"input_tokens": 9, "price": dear}], "tiers": {"fast": dear}}
    )
    found = price(made, only(made).price)
    for rates in (found.above[0].rates, found.tiers[0].rates):
        assert (rates.reasoning, rates.cache_write_1h, rates.cache_read) == (8 * 10**9, 2 * 10**9, 5 * 10**8)
    assert found.tiers[0].tier == "fast"


def test_B03_billing_of_providers_and_models() -> None:
    rules = {"on_disconnect": "drain", "on_5xx": "charge_input", "charges_input_on_error": True}
    top = {"providers": {"p": {"protocol": "anthropic/messages", "base_url": "https://a.example", "billing": rules}}}
    made = plan(top=top, billing={"on_disconnect": "cancel_free"})
    assert made.providers[0].billing == Billing(
        on_disconnect="drain", on_5xx="charge_input", charges_input_on_error=True
    )
    assert only(made).billing == Billing(on_disconnect="cancel_free")
    plain = plan()
    assert (plain.providers[0].billing, only(plain).billing) == (Billing(), None)


def test_the_gateways_own_rules() -> None:
    billing = {
        "default_output_reserve": 1,
        "call_log_days": 7,
        "outage_allowance": {"amount": "0.000000001", "seconds": 1.5},
    }
    made = plan(top={"gateway": {"billing": billing, "errors": {"insufficient_funds_status": 429}}})
    assert made.server.billing == BillingPolicy(
        default_output_reserve=1, outage_amount=1, outage_ms=1_500, call_log_days=7, funds_status=429
    )
    assert plan().server.billing == BillingPolicy()


def test_budgets_are_known_by_their_place_among_their_like() -> None:
    """A changed amount goes on with the sum that was spent; one of another kind before it changes nothing."""
    listed: list[dict[str, Any]] = [
        {"scope": "team", "period": "week", "amount": "1"},
        {"scope": "key", "period": "day", "amount": "2.5", "mode": "soft"},
        {"scope": "team", "period": "week", "amount": "9", "subject": "team_1"},
    ]
    found = plan(top={"budgets": listed}).budgets
    assert found == (
        Budget(id="yaml:team:week:1", scope="team", subject="*", period="week", amount=10**9),
        Budget(id="yaml:key:day:1", scope="key", subject="*", period="day", amount=2_500_000_000, mode="soft"),
        Budget(id="yaml:team:week:2", scope="team", subject="team_1", period="week", amount=9 * 10**9),
    )


def test_a_budget_of_a_model_names_one_that_is_there() -> None:
    text = yaml.safe_dump({"budgets": [{"scope": "model", "subject": "n", "period": "day", "amount": "1"}]})
    with pytest.raises(AssertionError, match="NF202"):
        plan(top=yaml.safe_load(text))


@pytest.mark.parametrize("protocol", ADDRESSES)
def test_B13_nothing_that_costs_extra_is_taken_without_a_price(protocol: str) -> None:
    made = plan(protocol)
    model = only(made)
    assert set(model.unpriced) == {protocol}  # over the others a tool that no lane takes is left out, with a warning
    wanted = {"web_search", "maps"} if protocol.startswith("google") else {"web_search", "web_fetch", "code_execution"}
    assert wanted <= set(model.unpriced[protocol])
    assert {"best_of", "enable_search", "plugins", "search_parameters"} == set(model.refused)
    assert "priority" not in model.allowed["service_tier"]
    assert model.allowed["speed"] == ("standard",)
    if protocol == "openai/chat-completions":
        refused = narrowed(made, protocol)
        assert (refused["web_search_options"], refused["audio"]) == (False, False)


def test_B13_what_has_a_price_is_taken() -> None:
    covered = {**PAID, "per_web_search": "0.01", "per_web_fetch": "0", "per_maps": "0.1", "tiers": {"fast": PAID}}
    made = plan("anthropic/messages", price=covered, capabilities={"code_execution": True})
    model = only(made)
    assert model.unpriced == {"anthropic/messages": ("file_search", "image_generation")}
    assert model.refused == ("best_of",)
    assert "fast" in model.allowed["service_tier"]
    assert model.allowed["speed"] == ("standard", "fast")
    google = plan("google/generate-content", price={**PAID, "per_grounding": "0.01"})
    assert only(google).unpriced == {"google/generate-content": ()}


def test_B13_every_list_that_a_call_may_be_charged_by_must_have_the_price() -> None:
    covered = {**PAID, "per_web_search": "0.01"}
    for without in (
        {"price_changes": [{"from": "2027-01-01", "price": PAID}]},
        {"lanes": [{"provider": "p"}, {"provider": "p", "model": "n", "price": PAID}]},
    ):
        made = plan(price=covered, **without)
        assert "web_search" in only(made).unpriced["openai/chat-completions"]


def test_B13_a_rule_of_the_models_own_goes_before() -> None:
    rules = {"best_of": {"max": None}, "service_tier": {"allowed": ["flex"]}, "web_search_options": {}, "audio": {}}
    made = plan(parameters={name: {k: v for k, v in rule.items() if v} for name, rule in rules.items()})
    model = only(made)
    assert "best_of" not in model.refused
    assert model.allowed["service_tier"] == ("flex",)


def test_B13_what_is_free_is_not_held_to_prices() -> None:
    model = only(plan(free=True))
    assert (model.unpriced, model.refused, model.allowed) == ({}, (), {})
