"""A second opinion on bills and books: its own SQL, decimals instead of integers, and no code of the product.

`ask` runs one SQL text without parameters and returns its rows, from whatever client a test likes.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Ask = Callable[[str], Sequence[Sequence[Any]]]
MILLION = Decimal(1_000_000)

# What a class of usage is priced by, and per how many.
TARIFF = {
    "input_text": ("input", MILLION),
    "input_audio": ("input_audio", MILLION),
    "input_image": ("input_image", MILLION),
    "input_video": ("input_video", MILLION),
    "cache_read_text": ("cache_read", MILLION),
    "cache_read_audio": ("cache_read_audio", MILLION),
    "cache_read_image": ("cache_read_image", MILLION),
    "cache_read_video": ("cache_read", MILLION),
    "cache_write_5m": ("cache_write_5m", MILLION),
    "cache_write_30m": ("cache_write_30m", MILLION),
    "cache_write_1h": ("cache_write_1h", MILLION),
    "cache_write_12h": ("cache_write_12h", MILLION),
    "tool_input": ("tool_input", MILLION),
    "output_text": ("output", MILLION),
    "output_reasoning": ("reasoning", MILLION),
    "output_audio": ("output_audio", MILLION),
    "output_image": ("output_image", MILLION),
    "n_web_search": ("per_web_search", Decimal(1)),
    "n_web_fetch": ("per_web_fetch", Decimal(1)),
    "n_grounding": ("per_grounding", Decimal(1)),
    "n_maps": ("per_grounding", Decimal(1)),
    "n_images": ("per_image", Decimal(1)),
}
_INPUT = [name for name in TARIFF if name.startswith(("input_", "cache_", "tool_"))]


@dataclass(frozen=True)
class Acknowledged:
    """A call that its client got an answer to: usage and price list as plain JSON values."""

    id: str
    org: str
    usage: Mapping[str, Any]
    price: Mapping[str, Any]
    at_ms: int = 0

    @property
    def amount(self) -> int:
        """What its customer owes, nano-units."""
        return charge(self.price, self.usage, self.at_ms)[0]


def charge(price: Mapping[str, Any], usage: Mapping[str, Any], at_ms: int) -> tuple[int, int]:
    """What the customer owes for `usage`, and what we owe the provider."""
    for later in price.get("later", ()):
        if at_ms >= later["from_ms"]:
            price = {**later["price"], "later": [x for x in price["later"] if x["from_ms"] > later["from_ms"]]}
            return charge(price, usage, at_ms)
    rates = price.get("tokens", {})
    length = sum(usage.get(name) or 0 for name in _INPUT)
    tiers = {tier["tier"]: tier["rates"] for tier in price.get("tiers", ())}
    if usage.get("tier") in tiers:
        rates = tiers[usage["tier"]]
    else:
        for step in sorted(price.get("above", ()), key=lambda step: step["input_tokens"]):
            rates = step["rates"] if length > step["input_tokens"] else rates
    owed = Decimal(rates.get("per_request", 0))
    for name, (rate, per) in TARIFF.items():
        owed += Decimal(usage.get(name) or 0) * Decimal(rates.get(rate, 0)) / per
    owed += _film(price, usage)
    return _whole(owed * (1 + Decimal(price.get("markup", 0)) / 10_000)), _whole(owed)


def _film(price: Mapping[str, Any], usage: Mapping[str, Any]) -> Decimal:
    """What the seconds of a video cost, by its resolution and sound."""
    resolution, _, sound = (usage.get("media") or "").partition("+")
    for rate in price.get("video", ()):
        if rate["resolution"] == resolution and rate.get("audio") in (None, bool(sound)):
            return Decimal(usage.get("n_video_seconds") or 0) * Decimal(rate["per_second"])
    return Decimal(0)


def bills(calls: Iterable[Acknowledged]) -> dict[str, int]:
    """What each organisation owes for its calls; a call that was acknowledged twice counts once."""
    owed: dict[str, int] = defaultdict(int)
    for call in {call.id: call for call in calls}.values():
        owed[call.org] += call.amount
    return dict(owed)


def settled(ask: Ask) -> dict[str, int]:
    """What each request came to by the transfers, whoever paid. A request that was charged twice fails."""
    found: dict[str, int] = {}
    for request, kind, amount in ask("SELECT request, kind, amount FROM transfer WHERE kind IN ('charge', 'void')"):
        assert request not in found, f"{request} is settled twice"
        assert kind == "charge" or amount == 0
        found[request] = int(amount)
    for request, amount in ask("SELECT request, amount FROM transfer WHERE kind = 'overrun'"):
        found[request] += int(amount)
    return found


def complaints(ask: Ask) -> list[str]:
    """Everything in the tables that does not add up."""
    return [*_wallets(ask), *_budgets(ask), *_prices(ask)]


def _wallets(ask: Ask) -> list[str]:
    balance: dict[str, int] = defaultdict(int)
    for debit, credit, amount, kind in ask("SELECT debit, credit, amount, kind FROM transfer"):
        assert kind != "void" or amount == 0
        balance[debit] -= int(amount)
        balance[credit] += int(amount)
    wrong = [] if sum(balance.values()) == 0 else ["the accounts do not add up to zero"]
    held: dict[str, int] = defaultdict(int)
    for org, rest in ask("SELECT org, amount - used FROM lease WHERE state = 'open'"):
        held[org] += max(int(rest), 0)
    for org, credited, spent, holds, floor in ask("SELECT org, credited, spent, held, floor FROM wallet"):
        if credited - spent != balance[f"wallet:{org}"]:
            wrong.append(f"{org} has {credited - spent}, its transfers say {balance[f'wallet:{org}']}")
        if holds != held[org]:
            wrong.append(f"{org} holds {holds}, its leases say {held[org]}")
        if floor is not None and credited - spent - holds < floor:
            wrong.append(f"{org} is below its floor")
    return wrong


def _budgets(ask: Ask) -> list[str]:
    spent: dict[tuple[str, str, int], int] = defaultdict(int)
    held: dict[tuple[str, str, int], int] = defaultdict(int)
    used: dict[str, int] = defaultdict(int)
    counters: dict[str, list[tuple[str, str, int]]] = {}
    leases = ask("SELECT id, counters, amount, used, state FROM lease")
    for lease, text, *_ in leases:
        counters[lease] = [(str(a), str(b), int(c)) for a, b, c in json.loads(text)]
    for lease, kind, amount in ask("SELECT lease, kind, amount FROM transfer WHERE lease IS NOT NULL"):
        if kind == "charge":
            used[lease] += int(amount)
        sign = {"charge": 1, "refund": -1}.get(kind, 0)
        for counter in counters.get(lease, ()):
            spent[counter] += sign * int(amount)
    wrong = []
    for lease, _, amount, said, state in leases:
        if used[lease] != said:
            wrong.append(f"lease {lease} used {said}, its charges say {used[lease]}")
        for counter in counters[lease] if state == "open" else ():
            held[counter] += max(int(amount) - used[lease], 0)
    rows = ask("SELECT budget, subject, period_start, spent, held FROM budget_spend")
    found = {(str(a), str(b), int(c)): (int(d), int(e)) for a, b, c, d, e in rows}
    for counter in {*found, *spent, *held}:
        should = (spent[counter], held[counter])
        if found.get(counter) != should:
            wrong.append(f"budget {counter} has {found.get(counter)}, which should be {should}")
    return wrong


def _prices(ask: Ask) -> list[str]:
    lists = {name: json.loads(body) for name, body in ask("SELECT id, body FROM price")}
    costs = dict(ask("SELECT request, amount FROM transfer WHERE kind = 'cost'"))
    overruns = dict(ask("SELECT request, amount FROM transfer WHERE kind = 'overrun'"))
    wrong = []
    for request, amount, price, usage, at_ms in ask(
        "SELECT request, amount, price, usage, at_ms FROM transfer WHERE kind = 'charge'"
    ):
        is_ = (int(amount) + int(overruns.get(request, 0)), int(costs.get(request, 0)))
        should = (0, 0) if price is None else charge(lists[price], json.loads(usage), int(at_ms))
        if is_ != should:
            wrong.append(f"request {request} came to {is_}, which should be {should}")
    return wrong


def _whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
