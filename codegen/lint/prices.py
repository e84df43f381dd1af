"""NF5xx: prices that are missing, contradict themselves, or look like a slip of the pen."""

from collections.abc import Iterator
from datetime import date

from codegen import fees, spec
from codegen.diagnostics import Diagnostic, Label, Severity
from codegen.lint.context import Context
from codegen.prices import CLASSES, nano
from codegen.resolve import CONVERSATIONS
from codegen.rules import rule
from codegen.source import Path
from codegen.suggest import quoted

DEAREST = nano("10000")
"""Nano-units per million tokens above which a price is more likely a misplaced point than a price."""

Suspicion = tuple[str, str, str]
"""The class that looks wrong, what is wrong with it, and what to do."""


@rule("NF501", "missing-price")
def missing_price(context: Context) -> Iterator[Diagnostic]:
    """A model has no price and is not marked as free.

    ## Why
    Its requests would be served and never charged. What is meant to cost nothing says so with `free: true`.

    ## Bad
        models:
          gpt:
            owner: openai
            category: language
            supported_protocols: [openai/chat-completions]
            lanes:
              - provider: openai

    ## Good
        models:
          gpt:
            owner: openai
            category: language
            supported_protocols: [openai/chat-completions]
            price: {input: "1", output: "4"}
            lanes:
              - provider: openai
    """
    for name, model in context.document.models.items():
        if model.price is None and not model.free and any(lane.price is None for lane in model.lanes):
            yield context.report(
                "NF501",
                f"model `{name}` has no price",
                ("models", name),
                key=True,
                help=("add `price`, or `free: true` if its use costs nothing",),
            )


@rule("NF502", "missing-dimension")
def missing_dimension(context: Context) -> Iterator[Diagnostic]:
    """A price list says nothing about a thing that the model is mainly paid for.

    ## Why
    A class that is absent costs nothing or what its neighbour costs. For the cache that is a sensible default; for
    the output of a chat model, speech, pictures, the seconds of a video model, a search of the web or a dearer service
    tier it is lost money. What costs nothing is written as "0"; a whole model is marked with `free: true`.

    ## Bad
        models:
          gpt:
            price: {input: "1"}

    ## Good
        models:
          gpt:
            price: {input: "1", output: "4"}
    """
    for name, model, path, price in lists_of(context):
        searches = (fees.unpriced_search(context.document, model, price),) if model.capabilities.web_search else ()
        for missing in (*_missing(model, price), *(quoted([rate]) for rate in searches if rate is not None)):
            yield context.report(
                "NF502",
                f"the price of model `{name}` lacks {missing}",
                path,
                key=True,
                help=(f"add {missing} to it",),
            )


@rule("NF503", "price-and-free")
def price_and_free(context: Context) -> Iterator[Diagnostic]:
    """A model is marked as free and has a price.

    ## Why
    One of the two would be ignored, and whichever it is, somebody's bill is wrong.

    ## Bad
        models:
          gpt:
            free: true
            price: {input: "1", output: "4"}

    ## Good
        models:
          gpt:
            free: false
            price: {input: "1", output: "4"}
    """
    for name, model, path, _ in lists_of(context):
        if model.free:
            yield context.report(
                "NF503",
                f"model `{name}` is marked as free and has a price",
                path,
                key=True,
                help=("remove `price`, or remove `free`",),
                secondary=(Label(context.tree.key(("models", name, "free")), "marked as free here"),),
            )


@rule("NF504", "suspicious-price", Severity.WARNING)
def suspicious_price(context: Context) -> Iterator[Diagnostic]:
    """A price looks like a slip: classes swapped, a point misplaced, a zero left in.

    ## Why
    Output costs more than input with every provider we know, reading a cache costs less than reading afresh, and
    nobody charges ten thousand for a million tokens. If it is meant, the warning does no harm.

    ## Bad
        models:
          gpt:
            price: {input: "4", output: "1"}

    ## Good
        models:
          gpt:
            price: {input: "1", output: "4"}
    """
    for name, _, path, price in lists_of(context):
        base = amounts_of(price)
        paid_otherwise = bool(price.video_seconds or price.images) or any(
            amount for field, amount in base.items() if field.startswith("per_")
        )
        for place, rates in rates_of(path, price):
            written = amounts_of(rates)
            for field, what, remedy in _suspicions(written, {**base, **written}, paid_otherwise):
                message = f"`{field}` of model `{name}` {what}"
                yield context.report("NF504", message, (*place, field), help=(remedy,))


@rule("NF505", "impossible-date")
def impossible_date(context: Context) -> Iterator[Diagnostic]:
    """A date is not in the calendar.

    ## Why
    Price lists and farewells happen on a day; 30 February never comes.

    ## Bad
        models:
          gpt:
            deprecated: {since: 2026-02-30}

    ## Good
        models:
          gpt:
            deprecated: {since: 2026-02-28}
    """
    dates: list[tuple[Path, str]] = [((*path[:-1], "from"), change.from_) for _, path, change in changes_of(context)]
    for name, model in context.document.models.items():
        if model.deprecated is not None:
            dates.append((("models", name, "deprecated", "since"), model.deprecated.since))
    for path, text in dates:
        try:
            date.fromisoformat(text)
        except ValueError:
            yield context.report(
                "NF505",
                f"`{text}` of model `{path[1]}` is not a day of the calendar",
                path,
                help=("write an existing day as YYYY-MM-DD",),
            )


Place = tuple[str, Path, spec.Model | spec.Lane]
"""What may have a price list: the name of its model, its path, the model or lane itself."""
Change = tuple[str, Path, spec.PriceChange]
"""The name of a model, the path of a list that follows on a later day, and the whole entry."""


def places_of(context: Context) -> Iterator[Place]:
    """Every model and lane."""
    for name, model in context.document.models.items():
        yield name, ("models", name), model
        for at, lane in enumerate(model.lanes):
            yield name, ("models", name, "lanes", at), lane


def changes_of(context: Context) -> Iterator[Change]:
    """Every price list that follows on a later day."""
    for name, path, place in places_of(context):
        for at, change in enumerate(place.price_changes or ()):
            yield name, (*path, "price_changes", at, "price"), change


def lists_of(context: Context) -> Iterator[tuple[str, spec.Model, Path, spec.Price]]:
    """Every price list: the name of its model, the model, its path, the list."""
    models = context.document.models
    for name, path, place in places_of(context):
        if place.price is not None:
            yield name, models[name], (*path, "price"), place.price
    for name, path, change in changes_of(context):
        yield name, models[name], path, change.price


def rates_of(path: Path, price: spec.Price) -> Iterator[tuple[Path, spec.Price | spec.Rates]]:
    """A price list and the lists of exceptions in it."""
    yield path, price
    for at, step in enumerate(price.above or ()):
        yield (*path, "above", at, "price"), step.price
    for tier, rates in price.tiers.items():
        yield (*path, "tiers", tier), rates


def amounts_of(rates: spec.Price | spec.Rates) -> dict[str, int]:
    return {field: nano(text) for field in CLASSES if (text := getattr(rates, field)) is not None}


def _missing(model: spec.Model, price: spec.Price) -> Iterator[str]:
    """What a list must name and does not, as words for a sentence."""
    talks = "text" in model.output and not frozenset(CONVERSATIONS).isdisjoint(model.supported_protocols)
    needed = dict.fromkeys(("input", "output") if talks else ("input",) if "embedding" in model.output else ())
    lacking = [field for field in needed if getattr(price, field) is None]
    if lacking:
        yield quoted(lacking)
    if "image" in model.output and price.per_image is None and price.output_image is None and not price.images:
        yield "`per_image`, `images` or `output_image`"
    if "video" in model.output and not price.video_seconds:
        yield "`video_seconds`"
    if "audio" in model.output and price.output_audio is None and price.per_request is None:
        yield "`output_audio` or `per_request`"
    if lacking := [f"tiers.{tier}" for tier in fees.unpriced_tiers(model, price)]:
        yield quoted(lacking)


def _suspicions(written: dict[str, int], merged: dict[str, int], paid_otherwise: bool) -> Iterator[Suspicion]:
    """What is odd about the amounts that are written here, given those they are merged into."""
    if not paid_otherwise:
        for field in ("input", "output"):
            if written.get(field) == 0:
                yield field, "is written out as zero", "set the real price, or use `free: true` if all of it is free"
    for field, amount in written.items():
        if amount > DEAREST and not field.startswith("per_"):
            yield field, "is above 10000 per million tokens", "check where the decimal point stands"
    fresh, answer, cached = (merged.get(field) for field in ("input", "output", "cache_read"))
    if fresh and answer and answer < fresh and ("input" in written or "output" in written):
        place = "output" if "output" in written else "input"
        yield place, "makes output cheaper than input", "check whether the two are swapped"
    if fresh is not None and cached is not None and cached > fresh and ("input" in written or "cache_read" in written):
        place = "cache_read" if "cache_read" in written else "input"
        yield place, "makes reading the cache dearer than reading afresh", "check whether the two are swapped"
