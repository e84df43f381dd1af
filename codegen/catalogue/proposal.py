"""Edits to the text of a gateway.yaml that bring its prices to those of a catalogue; comments and layout stay."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from codegen import spec
from codegen.catalogue.listed import Amounts, Listing
from codegen.check import check_source
from codegen.diagnostics import Fix
from codegen.fixes import apply
from codegen.prices import FALLBACKS
from codegen.source import Path, Source, Span
from codegen.tree import Tree

CURRENCY = "USD"
_DECIMALS = 9
Find = Callable[[str, str, datetime], Listing | None]


class Proposal(Struct, frozen=True):
    """The text as it would be, and what a person has to look at: models not listed, lists that differ in kind."""

    text: str
    notes: tuple[str, ...]


class Place(Struct, frozen=True):
    """Where a price list stands or is missing: the model and path, the provider's address and the name it knows."""

    model: str
    path: Path
    price: spec.Price | None
    base_url: str
    name: str


def propose(source: Source, find: Find, moment: datetime, provider: str | None = None) -> Proposal:
    """What `find` lists against what stands in `source`, for all models or those that `provider` serves first.

    Raises ValueError when the text has errors, or prices in another currency than the catalogue's.
    """
    tree, found = check_source(source)
    if tree is None or found.has_errors:
        raise ValueError(f"{source.name} has errors; run `nexusflow check` first")
    document = msgspec.convert(tree.value, spec.Spec)
    if document.gateway.currency != CURRENCY:
        raise ValueError(f"the catalogue is in {CURRENCY}, and {source.name} in {document.gateway.currency}")
    edits: list[Fix] = []
    notes: list[str] = []
    for place in _places(document, provider):
        listing = find(place.base_url, place.name, moment)
        if listing is None or "input" not in listing.amounts:
            notes.append(f"{place.model}: not listed for {place.base_url}")
        elif place.price is None:
            edits += _added(tree, place, listing)
        else:
            edits += _changed(tree, place.path, place.price, listing.amounts)
            edits += _exceptions(tree, place, place.price, listing, notes)
    return Proposal(apply(source.text, edits), tuple(notes))


def _places(document: spec.Spec, provider: str | None) -> Iterator[Place]:
    for name, model in document.models.items():
        if model.free:
            continue
        first = model.lanes[0]
        lanes: list[tuple[Path, spec.Price | None, spec.Lane]] = [(("models", name, "price"), model.price, first)]
        lanes += [(("models", name, "lanes", at, "price"), one.price, one) for at, one in enumerate(model.lanes)]
        if model.price is None and all(lane.price is not None for lane in model.lanes):
            del lanes[0]
        for path, price, lane in lanes:
            own = path[-2] != name
            if lane.provider in document.providers and provider in (None, lane.provider) and (price or not own):
                yield Place(name, path, price, document.providers[lane.provider].base_url, lane.model or name)


def _changed(tree: Tree, path: Path, price: spec.Price | spec.Rates, listed: Amounts) -> Iterator[Fix]:
    """New values in place of those that differ, and lines for classes that are missing."""
    missing: Amounts = {}
    for name, amount in listed.items():
        written = getattr(price, name)
        if written is None:
            missing[name] = amount
        elif Decimal(written) != amount and (*path, name) in tree.spans:
            yield Fix(tree.spans[(*path, name)], _quoted(amount), f"{name} of {path[1]}")
    known = {**{name: Decimal(text) for name in listed if (text := getattr(price, name)) is not None}, **missing}
    needed = {name: amount for name, amount in missing.items() if amount != _borrowed(name, known)}
    if needed and path in tree.spans:
        yield _inserted(tree, path, needed)


def _borrowed(name: str, known: Amounts) -> Decimal | None:
    """What a class costs that is not written down."""
    neighbour = dict(FALLBACKS).get(name)
    if neighbour is None:
        return None
    return known[neighbour] if neighbour in known else _borrowed(neighbour, known)


def _inserted(tree: Tree, path: Path, amounts: Amounts) -> Fix:
    """The classes behind the first one of a list, in the layout that the list has."""
    text, whole = tree.source.text, tree.spans[path]
    if text[whole.start] == "{":
        members = "".join(f"{name}: {_quoted(amount)}, " for name, amount in amounts.items())
        return Fix(Span(whole.start + 1, whole.start + 1), members, f"prices of {path[1]}")
    key = next(span for place, span in tree.keys.items() if place[:-1] == path)
    value = next(span for place, span in tree.spans.items() if place[:-1] == path)
    indent = " " * (tree.source.position(key.start).column - 1)
    end = text.find("\n", value.end)
    end = len(text) if end < 0 else end
    lines = "".join(f"\n{indent}{name}: {_quoted(amount)}" for name, amount in amounts.items())
    return Fix(Span(end, end), lines, f"prices of {path[1]}")


def _added(tree: Tree, place: Place, listing: Listing) -> Iterator[Fix]:
    """A whole price list for a model that has none."""
    key = tree.keys.get((*place.path[:-1], "lanes"))
    if key is None:
        return
    members = ", ".join(f"{name}: {_quoted(amount)}" for name, amount in listing.amounts.items())
    line = tree.source.position(key.start)
    block = tree.source.line_text(line.line)[: line.column - 1].isspace()
    after = "\n" + " " * (line.column - 1) if block else ", "
    yield Fix(Span(key.start, key.start), f"price: {{{members}}}{after}", f"price of {place.model}")


def _exceptions(tree: Tree, place: Place, price: spec.Price, listing: Listing, notes: list[str]) -> Iterator[Fix]:
    """Long prompts and service tiers: values are compared where both lists know one, and named where only one does."""
    ours = {step.input_tokens: (at, step.price) for at, step in enumerate(price.above or ())}
    for length, amounts in listing.above.items():
        if length in ours:
            at, rates = ours[length]
            yield from _changed(tree, (*place.path, "above", at, "price"), rates, amounts)
    for name, amounts in listing.tiers.items():
        if name in price.tiers:
            yield from _changed(tree, (*place.path, "tiers", name), price.tiers[name], amounts)
    for length in sorted(ours.keys() ^ listing.above.keys()):
        where = "only listed here" if length in ours else "only in the catalogue"
        notes.append(f"{place.model}: prices above {length} input tokens are {where}")
    for name in sorted(price.tiers.keys() ^ listing.tiers.keys()):
        where = "only listed here" if name in price.tiers else "only in the catalogue"
        notes.append(f"{place.model}: prices of tier {name} are {where}")


def _quoted(amount: Decimal) -> str:
    """An amount as gateway.yaml writes it. What is finer than a billionth is rounded up."""
    exact = amount.quantize(Decimal(1).scaleb(-_DECIMALS), rounding="ROUND_CEILING")
    return f'"{format(exact.normalize(), "f")}"'
