"""What a call comes to by how it ended (B-02 … B-08), computed by hand."""

import msgspec
import pytest

from nexusflow.flow.settlement import Evidence, Outcome, Settlement, Terms, settle
from nexusflow.ir.plan import Billing, Price, Rates
from nexusflow.ir.usage import Usage

# 2 per million in, 8 per million out, in nano-units; 10 % markup.
PRICE = Price(tokens=Rates(input=2_000_000_000, output=8_000_000_000, reasoning=8_000_000_000), markup=1_000)
REPORTED = Usage(input_text=1_000, output_text=500)
# 1000 x 2000 + 500 x 8000 nano = 6,000,000; the customer pays 6,600,000.
COST, AMOUNT = 6_000_000, 6_600_000


def terms(price: Price | None = PRICE, billing: Billing | None = None) -> Terms:
    return Terms(
        request="REQ",
        org="org_a",
        provider="acme",
        model="m",
        plan="plan",
        price=price,
        price_id="p1" if price is not None else None,
        billing=billing or Billing(),
        now_ms=0,
    )


def evidence(usage: Usage | None, *, output: int = 0, server_error: bool = False) -> Evidence:
    return Evidence(usage, 900, lambda: output, 14_000, 50_000, server_error)


def kinds(done: Settlement) -> dict[str, int]:
    return {entry.kind: entry.amount for entry in done.entries}


def test_nothing_is_counted_where_the_provider_has_counted() -> None:
    """Counting a stream's text again costs more than forwarding it."""

    def count() -> int:
        raise AssertionError("counted")

    done = settle(Outcome.DONE, terms(), Evidence(REPORTED, 900, count, 14_000, 50_000))
    assert done.amount == AMOUNT


def test_I11_customer_pays_the_markup_and_the_provider_gets_its_price() -> None:
    done = settle(Outcome.DONE, terms(), evidence(REPORTED))
    assert kinds(done) == {"charge": AMOUNT, "cost": COST}
    charge, cost = done.entries
    assert (charge.id, charge.debit, charge.credit) == ("REQ", "wallet:org_a", "revenue")
    assert (cost.id, cost.debit, cost.credit) == ("REQ/cost", "cost", "payable:acme")
    assert (charge.price, charge.plan, charge.basis, charge.reason) == ("p1", "plan", "reported", None)


def test_I07_free_model_is_charged_nothing_with_its_usage() -> None:
    done = settle(Outcome.DONE, terms(price=None), evidence(REPORTED))
    assert kinds(done) == {"charge": 0}
    assert done.entries[0].usage is not None


def test_B06_no_usage_is_estimated_and_says_so() -> None:
    done = settle(Outcome.DONE, terms(), evidence(None, output=400))
    # (900 x 2000 + 400 x 8000) x 1.1
    assert kinds(done) == {"charge": 5_500_000, "cost": 5_000_000}
    assert done.entries[0].basis == "estimated"
    assert done.usage.source == "estimated"


def test_B06_explicit_zero_usage_is_a_report() -> None:
    done = settle(Outcome.DONE, terms(), evidence(Usage(input_text=0, output_text=0), output=400))
    assert kinds(done) == {"charge": 0}
    assert done.entries[0].basis == "reported"


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_text=-5, output_text=10),
        Usage(input_text=10, output_text=-5),
        Usage(input_text=18_446_744_073_686_646_784 % 2**63, output_text=1),
        Usage(input_text=14_001, output_text=1),
        Usage(input_text=1, output_text=50_001),
        Usage(input_text=1, n_web_search=-1),
    ],
)
def test_B08_usage_that_cannot_be_true_is_replaced_by_an_estimate(usage: Usage) -> None:
    done = settle(Outcome.DONE, terms(), evidence(usage, output=400))
    assert kinds(done) == {"charge": 5_500_000, "cost": 5_000_000}
    assert done.entries[0].basis == "estimated"
    assert done.entries[0].reason


def test_B03_client_left_pays_the_input_and_what_was_generated() -> None:
    early = msgspec.structs.replace(REPORTED, output_text=1, source="partial")  # Anthropic's first event says 1
    done = settle(Outcome.LEFT, terms(), evidence(early, output=300))
    # (1000 x 2000 + 300 x 8000) x 1.1
    assert kinds(done)["charge"] == 4_840_000
    assert done.entries[0].basis == "partial"
    assert done.entries[0].reason == "left"


def test_B03_client_left_before_the_first_token_pays_the_input_only() -> None:
    done = settle(Outcome.LEFT, terms(), evidence(None))
    assert kinds(done)["charge"] == 1_980_000


def test_B03_provider_that_charges_nothing_on_leaving() -> None:
    done = settle(Outcome.LEFT, terms(billing=Billing(on_disconnect="cancel_free")), evidence(REPORTED))
    assert kinds(done) == {"void": 0}


def test_B05_failure_before_any_content_costs_nothing() -> None:
    done = settle(Outcome.FAILED, terms(), evidence(REPORTED, server_error=True))
    assert kinds(done) == {"void": 0}
    assert done.amount == 0


def test_B02_what_the_provider_bills_for_a_failure_is_absorbed() -> None:
    done = settle(Outcome.FAILED, terms(billing=Billing(charges_input_on_error=True)), evidence(None))
    assert kinds(done) == {"void": 0, "absorbed": 1_800_000}
    assert done.entries[1].debit == "absorbed"


def test_charge_input_on_5xx_only_for_server_errors() -> None:
    billing = Billing(on_5xx="charge_input")
    charged = settle(Outcome.FAILED, terms(billing=billing), evidence(None, server_error=True))
    assert kinds(charged)["charge"] == 1_980_000
    refused = settle(Outcome.FAILED, terms(billing=billing), evidence(None))
    assert kinds(refused) == {"void": 0}


def test_B06_broken_stream_is_charged_for_what_went_out() -> None:
    done = settle(Outcome.BROKEN, terms(), evidence(None, output=100))
    assert kinds(done)["charge"] == (900 * 2_000 + 100 * 8_000) * 11 // 10


@pytest.mark.parametrize("outcome", list(Outcome))
def test_B01_exactly_one_charge_or_void(outcome: Outcome) -> None:
    for usage in (None, REPORTED, Usage(input_text=-1)):
        done = settle(outcome, terms(), evidence(usage, output=3))
        assert [entry.id for entry in done.entries if entry.kind in ("charge", "void")] == ["REQ"]
        assert all(entry.amount >= 0 for entry in done.entries)
