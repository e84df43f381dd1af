"""`gateway.lock`: a short, readable, committed summary of the plan, so that a pull request shows what changes."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from codegen.emit.manifest import sha256
from codegen.prices import NANO
from nexusflow.ir.account import Budget
from nexusflow.ir.plan import Lane, Model, Plan, Price, Provider

FILE = "gateway.lock"
_SHOWN = ("input", "output", "reasoning", "cache_read", "cache_write_5m", "per_request", "per_image")


def emit(plan: Plan, generator: str, artifact_digest: str) -> str:
    """The lock's text. Amounts are in the gateway's currency, per million tokens or per piece."""
    lines = [
        "# What gateway.yaml compiles to. Written by `nexusflow build`; commit it with gateway.yaml.",
        f"generator {generator}",
        f"abi {plan.abi}",
        f"plan {sha256(plan.canonical())}",
        f"artifact {artifact_digest}",
        f"currency {plan.server.currency}",
        "",
        *(f"surface {surface.protocol}" for surface in plan.surfaces),
        "",
        *(_provider(provider) for provider in plan.providers),
        *([""] if plan.budgets else []),
        *(_budget(budget) for budget in plan.budgets),
    ]
    for model in plan.models:
        lines += ["", *_model(model, plan)]
    return "\n".join(lines) + "\n"


def _provider(provider: Provider) -> str:
    reference = provider.credential
    credential = f"{reference.source}:{reference.name}" if reference is not None else "no credential"
    return f"provider {provider.id} {provider.protocol} {provider.base_url} {credential}"


def _budget(budget: Budget) -> str:
    return f"budget {budget.id} {budget.subject} {_decimal(budget.amount)} {budget.mode}"


def _model(model: Model, plan: Plan) -> list[str]:
    head = [f"model {model.id}"]
    if model.aliases:
        head.append(f"aliases {' '.join(model.aliases)}")
    bounds = [
        f"{word} {value}"
        for word, value in (("context", model.context_tokens), ("output", model.max_output_tokens))
        if value is not None
    ]
    lines = [*head[:1], *(f"  {line}" for line in head[1:])]
    lines.append(f"  protocols {' '.join(model.protocols)}")
    if bounds:
        lines.append(f"  bounds {' '.join(bounds)}")
    lines += ["  free"] if model.free else _price("  price", model.price, plan)
    for lane in model.lanes:
        lines += _lane(lane, model, plan)
    return lines


def _lane(lane: Lane, model: Model, plan: Plan) -> list[str]:
    spoken = lane.protocol or "unreachable"
    line = f"  lane {lane.provider}/{lane.model} over {spoken} priority {lane.priority} weight {lane.weight}"
    own_price = lane.price is not None and lane.price != model.price
    return [line, *(_price("    price", lane.price, plan) if own_price else [])]


def _price(label: str, index: int | None, plan: Plan) -> list[str]:
    if index is None:
        return []
    return _list(label, plan.prices[index])


def _list(label: str, price: Price) -> list[str]:
    lines = [f"{label} {_rates(price.tokens)}"]
    lines += [f"{label} above {step.input_tokens}: {_rates(step.rates)}" for step in price.above]
    lines += [f"{label} tier {tier.tier}: {_rates(tier.rates)}" for tier in price.tiers]
    lines += [f"{label} video {_video(price)}"] if price.video else []
    lines += [f"{label} image {_images(price)}"] if price.images else []
    lines += [f"{label} markup {Decimal(price.markup) / 100} %"] if price.markup else []
    for change in price.later:
        lines += _list(f"{label} from {_day(change.from_ms)}", change.price)
    return lines


def _day(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).date().isoformat()


def _rates(rates: msgspec.Struct) -> str:
    values = msgspec.structs.asdict(rates)
    return " ".join(f"{name} {_decimal(values[name])}" for name in _SHOWN if values[name]) or "0"


def _video(price: Price) -> str:
    sound = {None: "", True: "+audio", False: "-audio"}
    return " ".join(f"{rate.resolution}{sound[rate.audio]} {_decimal(rate.per_second)}" for rate in price.video)


def _images(price: Price) -> str:
    return " ".join(f"{rate.size or 'any'}/{rate.quality or 'any'} {_decimal(rate.per_image)}" for rate in price.images)


def _decimal(nano: int) -> str:
    """Nano-units as a decimal without trailing zeros."""
    return format((Decimal(nano) / NANO).normalize(), "f")
