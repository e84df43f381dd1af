"""Which providers a caller wants for one request: the member `provider` of its body (contract 2.11).

The words are those of OpenRouter, as far as they mean something here.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from nexusflow.flow.served import ServedLane
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.money import as_nano
from nexusflow.ir.plan import Strategy
from nexusflow.pricing.cost import WHOLE, in_force
from nexusflow.protocols.common import checks
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

FIELD = "provider"
_STRATEGIES: Mapping[str, Strategy] = {"price": "cost", "latency": "latency", "throughput": "latency"}
_NAMING = ("order", "only", "ignore")


class MostPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """What a million tokens may cost the caller, read (`prompt`) and written (`completion`), as a decimal."""

    prompt: float | str | None = None
    completion: float | str | None = None


class Preference(Struct, frozen=True, forbid_unknown_fields=True):
    """`order`, `only` and `ignore` are ids of providers; those of `order` come first, in its order.

    Without `allow_fallbacks` only the first lane is tried. `data_collection: deny` takes providers that are known not
    to train on requests, `zdr` those known to keep nothing, `regions` those that compute there.
    """

    order: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    sort: Literal["price", "latency", "throughput"] | None = None
    max_price: MostPrice | None = None
    data_collection: Literal["allow", "deny"] = "allow"
    zdr: bool = False
    regions: tuple[str, ...] | None = None

    @property
    def strategy(self) -> Strategy | None:
        """The strategy in place of the model's own."""
        return _STRATEGIES[self.sort] if self.sort is not None else None

    def allowed(self, lanes: Sequence[ServedLane], now_ms: int) -> Sequence[ServedLane]:
        """Those of `lanes` that fit. Raises `RequestRefused` (400) where none does, saying what each is wanting in."""
        wanting = [self.wanting(lane, now_ms) for lane in lanes]
        fit = [lane for lane, lack in zip(lanes, wanting, strict=True) if lack is None]
        if not fit:
            told = "; ".join(f"`{lane.provider.id}` {lack}" for lane, lack in zip(lanes, wanting, strict=True))
            message = f"No provider of this model fits `{FIELD}`: {told}."
            raise refuse(Kind.PARAM, message, param=FIELD, code="no_provider_fits")
        return fit

    def arranged(self, lanes: Sequence[ServedLane]) -> Sequence[ServedLane]:
        """`lanes`, which fit and have an order, in the order that is wanted."""
        places = {name: at for at, name in enumerate(self.order)}
        found = sorted(lanes, key=lambda lane: places.get(lane.provider.id, len(places)))
        return found if self.allow_fallbacks else found[:1]

    def wanting(self, lane: ServedLane, now_ms: int) -> str | None:
        """What `lane` lacks, as the rest of a sentence about its provider; None for one that fits."""
        provider = lane.provider
        if self.only is not None and provider.id not in self.only:
            return "is not in `only`"
        if provider.id in self.ignore:
            return "is in `ignore`"
        if self.data_collection == "deny" and provider.trains_on_data is not False:
            return "is not known not to train on requests"
        if self.zdr and not provider.zero_retention:
            return "is not known to keep nothing"
        if self.regions is not None and provider.region not in self.regions:
            return "does not compute in one of `regions`"
        return self._too_dear(lane, now_ms) if self.max_price is not None else None

    def _too_dear(self, lane: ServedLane, now_ms: int) -> str | None:
        if lane.price is None or self.max_price is None:
            return None
        price = in_force(lane.price, now_ms)
        pairs = ((self.max_price.prompt, price.tokens.input), (self.max_price.completion, price.tokens.output))
        dear = any(most is not None and rate * (WHOLE + price.markup) > _nano(most) * WHOLE for most, rate in pairs)
        return "is dearer than `max_price`" if dear else None


_decode = msgspec.json.Decoder(Preference).decode
_decode_loosely = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def take(fields: Fields, lanes: Sequence[ServedLane], providers: Container[str]) -> Preference | None:
    """What the request wants, which no provider is to see; None without it. Raises `RequestRefused` naming the field.

    One that names none of our `providers`, or nothing where there is no choice between `lanes`, is the provider's own,
    and stays: some are gateways themselves.
    """
    raw = fields.get(FIELD)
    if raw is None or bytes(raw) == b"null" or not _is_ours(raw, lanes, providers):
        return None
    del fields[FIELD]
    try:
        found = _decode(raw)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        raise checks.explain(f"{what} - at `$.{FIELD}{path or '`'}") from None
    if found.max_price is not None:
        for name in ("prompt", "completion"):
            _check_amount(name, getattr(found.max_price, name))
    return found


def _is_ours(raw: msgspec.Raw, lanes: Sequence[ServedLane], providers: Container[str]) -> bool:
    try:
        said = _decode_loosely(raw)
    except msgspec.DecodeError:
        return True  # to be told what is wrong with it
    lists = [said[name] for name in _NAMING if name in said]
    if not lists:
        return len(lanes) > 1
    names = [name for one in lists for name in _names(one)]
    return any(name in providers for name in names)


def _names(raw: msgspec.Raw) -> list[str]:
    try:
        return msgspec.json.decode(raw, type=list[str])
    except msgspec.DecodeError:
        found = jsonedit.as_text(raw)
        return [found] if found is not None else []


def _check_amount(name: str, amount: float | str | None) -> None:
    try:
        if amount is not None:
            _nano(amount)
    except ValueError:
        param = f"{FIELD}.max_price.{name}"
        raise refuse(
            Kind.PARAM, f"`{param}` must be a decimal such as 2.5.", param=param, code="invalid_type"
        ) from None


def _nano(amount: float | str) -> int:
    return as_nano(amount if isinstance(amount, str) else f"{amount:.9f}")
