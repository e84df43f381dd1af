"""Where a request would go and why, told without a server: by the code that serves, with every lane at rest.

Nothing is sent and nothing is taken; what only a running gateway knows (how healthy and how busy lanes are, what is
left of limits, what answers usually weigh) counts as on the first call after a start.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec

from nexusflow.endpoints.taken import Accounts, Explainable, Put, Taken, now, take
from nexusflow.flow import failover
from nexusflow.flow.admit import permit
from nexusflow.flow.bridge import refuse_losses
from nexusflow.flow.desk import set_aside
from nexusflow.flow.estimate import Size, size_of
from nexusflow.flow.explained import Explained, LeftOut, PerMillion, Refusal, Refused, Tried, Waits
from nexusflow.flow.failover import Way
from nexusflow.flow.gate import Gate
from nexusflow.flow.health import Fleet
from nexusflow.flow.load import Load
from nexusflow.flow.order import Order
from nexusflow.flow.preference import Preference
from nexusflow.flow.served import ServedLane, Upstreams, readiness, serve_models
from nexusflow.flow.strategy import Asker, arranged
from nexusflow.flow.usual import Usual
from nexusflow.ir.errors import Problem, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.money import as_text
from nexusflow.ir.plan import Plan, Price, Strategy
from nexusflow.ir.quota import Quota
from nexusflow.keys.model import Key
from nexusflow.limits import Limiter
from nexusflow.limits.memory import MemoryEngine
from nexusflow.limits.resolve import relevant
from nexusflow.limits.words import limit_words
from nexusflow.pricing.cost import WHOLE, in_force
from nexusflow.protocols.dialect import Errors

NOBODY = Key(id="", name="", prefix="", last4="", created_ms=0)
"""Who asks where no key is named: a caller on no plan, without any scope."""


class _NoAgreements:
    """Of a caller whom no database knows."""

    edition: object = None

    def plan(self, org: str) -> str | None:
        return None

    def quotas(self, subject: str) -> Mapping[str, Quota]:
        return {}


class _AtRest(Fleet):
    """All lanes healthy, idle and equally quick, and chance without chance: what weighs more comes first."""

    def __init__(self) -> None:
        super().__init__()
        self._tiers: dict[int, Sequence[ServedLane]] = {}

    def order(self, lanes: Sequence[ServedLane], strategy: Strategy, asker: Asker) -> Sequence[ServedLane]:
        tiers = [list(tier) for _, tier in groupby(sorted(lanes, key=asker.place), asker.place)]
        self._tiers.update((id(lane), tier) for tier in tiers for lane in tier)
        return [lane for tier in tiers for lane in arranged(strategy, tier, asker, lambda _: 0.0, lambda: 0.5)]

    def among(self, lane: ServedLane, wish: Preference | None) -> int:
        """How many lanes the strategy had to choose from where it chose `lane`, but for what the caller put first."""
        named = wish.order if wish is not None else ()

        def place(one: ServedLane) -> int:
            return named.index(one.provider.id) if one.provider.id in named else len(named)

        return [place(one) for one in self._tiers.get(id(lane), (lane,))].count(place(lane))


async def explain(
    surface: Explainable,
    upstreams: Upstreams,
    name: str,
    body: bytes,
    key: Key = NOBODY,
    accounts: Accounts | None = None,
) -> Explained:
    """The way of a request for the model `name` with `body`, in the protocol of `surface`. Raises `Refused`."""
    fleet = _AtRest()
    surface.route_by(serve_models(surface.artifact, upstreams), fleet)
    plan = surface.artifact.plan
    gate = _gate(plan, accounts)
    try:
        taken = take(surface, name, body, key, accounts)
        size = await _admit(plan, gate, taken.order, accounts)
    except RequestRefused as refused:
        raise Refused(told(refused.problem, surface.errors)) from None
    order, now_ms = taken.order, now()
    model, wish = order.model, taken.wish
    return Explained(
        asked=order.asked,
        model=model.id,
        protocol=order.protocol,
        stream=order.stream,
        strategy=(wish.strategy if wish is not None else None) or model.strategy,
        key=key.name or None,
        lanes=_lanes(taken, fleet, size, surface.errors, now_ms),
        left_out=_left_out(plan, taken, now_ms),
        fallbacks=list(taken.stand_ins),
        limits=limit_words(relevant(gate.limits(key, model), stream=order.stream), None),
        input_tokens=size.input,
        output_tokens=size.output * size.answers,
        worst_case=as_text(set_aside(order.lanes, size, now_ms)),
        currency=plan.server.currency,
    )


def told(problem: Problem, errors: Errors) -> Refusal:
    """`problem` as the clients of a protocol get it."""
    answer = msgspec.json.decode(errors.envelope(problem))
    said = answer.get("error", {}).get("code")
    code = said if isinstance(said, str) else problem.code or problem.kind.value
    return Refusal(errors.status(problem), code, problem.param, problem.message, answer)


def _gate(plan: Plan, accounts: Accounts | None) -> Gate:
    """With counters of its own, of which nothing is taken yet: it refuses what is more than a whole limit."""
    agreements = accounts.directory if accounts is not None else _NoAgreements()
    return Gate(Limiter(MemoryEngine()), agreements, plan.limits, Usual(), Load(plan.server.overload, ()))


async def _admit(plan: Plan, gate: Gate, order: Order, accounts: Accounts | None) -> Size:
    """The size of a call that may go. From which address a key calls is not known here, and not asked."""
    key = order.key
    anywhere = msgspec.structs.replace(key, scopes=msgspec.structs.replace(key.scopes, ips=()))
    permit(anywhere, order.model.id, order.protocol, order.endpoint, order.address)
    if accounts is not None:
        accounts.directory.payer(key, order.model.id, order.demand.user, now())
    size = size_of(order.body, order.demand, order.model, plan.server.billing.default_output_reserve)
    await gate.enter(order, size, "explained", [])
    return size


def _lanes(taken: Taken, fleet: _AtRest, size: Size, errors: Errors, now_ms: int) -> list[Tried]:
    """All that may be tried. Raises `Refused` where the request ends before one of them gets it."""
    found, last = [], None
    gets_there = False
    for route in taken.routes:
        for way in failover.ways(route.served, route.lanes):
            put = Put(Losses())
            refusal = None
            try:
                route.put(way.lane, put)
                if route.served.model.on_loss == "reject":
                    refuse_losses(put.losses)
                gets_there = True
            except RequestRefused as refused:
                refusal = last = told(refused.problem, errors)
            among = fleet.among(way.lane, taken.wish)
            found.append(_tried(way, put, refusal, among, size, taken.order.stream, now_ms))
    if last is not None and not gets_there:
        raise Refused(last)
    return found


def _tried(way: Way, put: Put, refusal: Refusal | None, among: int, size: Size, stream: bool, now_ms: int) -> Tried:
    lane = way.lane
    return Tried(
        model=way.served.model.id,
        provider=lane.provider.id,
        upstream_model=lane.destination.model,
        protocol=put.protocol,
        sent="translated" if put.translated else "as it is",
        losses=list(put.losses) if put.known else None,
        refusal=refusal,
        priority=lane.priority,
        weight=lane.weight,
        among=among,
        region=lane.provider.region,
        price=per_million(lane.price, now_ms) if lane.price is not None else None,
        worst_case=as_text(set_aside([lane], size, now_ms)),
        timeouts=Waits(lane.connect, lane.first_byte, lane.idle, lane.stream_total if stream else lane.total),
        limits=limit_words(relevant(lane.limits, stream=stream), None),
    )


def per_million(listed: Price, now_ms: int) -> PerMillion:
    """What callers pay by a price list for a million tokens of each kind."""
    price = in_force(listed, now_ms)
    read, written = (
        as_text((rate * (WHOLE + price.markup) + WHOLE // 2) // WHOLE)
        for rate in (price.tokens.input, price.tokens.output)
    )
    return PerMillion(read, written)


def _left_out(plan: Plan, taken: Taken, now_ms: int) -> list[LeftOut]:
    """The lanes that are not taken, of all models that the request may come to."""
    providers = {provider.id: provider for provider in plan.providers}
    routes = {route.served.model.id: (route.served, route.lanes) for route in taken.routes}
    found = []
    for served, lanes in {taken.asked.model.id: (taken.asked, ()), **routes}.values():
        tried = [way.lane for way in failover.ways(served, lanes)]
        ready = iter(served.lanes)
        for lane in sorted(served.model.lanes, key=lambda lane: lane.priority):
            provider = providers[lane.provider]
            why = readiness(lane, provider)
            if why is None and (one := next(ready)) not in tried:
                why = _why_not(one, lanes, taken.wish, now_ms)
            if why is not None:
                place = (lane.priority, lane.weight, provider.region)
                found.append(LeftOut(served.model.id, lane.provider, lane.model, *place, why))
    return found


def _why_not(lane: ServedLane, lanes: Sequence[ServedLane], wish: Preference | None, now_ms: int) -> str:
    if lane in lanes:
        return f"comes after {failover.MOST_ATTEMPTS} others, and no more are tried"
    wanting = wish.wanting(lane, now_ms) if wish is not None else None
    if wanting is not None:
        return f"{wanting} (`provider`)"
    if wish is not None and not wish.allow_fallbacks:
        return "comes after the first, and `allow_fallbacks` is false"
    return "cannot take this request, which others can (`prefer`)"
