"""NF506 to NF508: price lists that follow one another, amounts beyond reason, classes priced like another."""

from collections.abc import Iterator

from codegen import capabilities, spec
from codegen.diagnostics import Diagnostic, Label, Severity
from codegen.lint.context import Context
from codegen.lint.prices import amounts_of, lists_of, places_of, rates_of
from codegen.prices import nano
from codegen.rules import rule
from codegen.source import Path

MOST = nano("1000000")
"""Nano-units per million tokens or per piece (reliability 2.4): beyond it a product may not fit the ledger."""


@rule("NF506", "price-change")
def price_change(context: Context) -> Iterator[Diagnostic]:
    """A price change follows no price, or shares its day with another.

    ## Why
    `price_changes` say what a price becomes. Without a `price` beside them calls would cost nothing until the first
    one, and of two lists for one day one would be ignored.

    ## Bad
        models:
          gpt:
            price: {input: "1", output: "4"}
            price_changes:
              - {from: 2026-12-01, price: {input: "2", output: "8"}}
              - {from: 2026-12-01, price: {input: "3", output: "9"}}

    ## Good
        models:
          gpt:
            price: {input: "1", output: "4"}
            price_changes:
              - {from: 2026-12-01, price: {input: "2", output: "8"}}
              - {from: 2027-01-01, price: {input: "3", output: "9"}}
    """
    for name, path, place in places_of(context):
        if place.price_changes and place.price is None:
            yield context.report(
                "NF506",
                f"model `{name}` has price changes without a price that they change",
                (*path, "price_changes"),
                key=True,
                help=("add `price` beside them",),
            )
        days: dict[str, Path] = {}
        for at, change in enumerate(place.price_changes or ()):
            day: Path = (*path, "price_changes", at, "from")
            first = days.setdefault(change.from_, day)
            if first != day:
                yield context.report(
                    "NF506",
                    f"two price lists of model `{name}` begin on {change.from_}",
                    day,
                    help=("remove one of them, or move it to another day",),
                    secondary=(Label(context.tree.at(first), "first here"),),
                )


@rule("NF507", "price-too-large")
def price_too_large(context: Context) -> Iterator[Diagnostic]:
    """A price is above a million per million tokens or per piece.

    ## Why
    The ledger counts in billionths and takes no single call above a million. A larger price makes requests fail that
    are accepted today.

    ## Bad
        models:
          gpt:
            price: {input: "1", output: "4", per_request: "2000000"}

    ## Good
        models:
          gpt:
            price: {input: "1", output: "4", per_request: "0.002"}
    """
    for name, _, path, price in lists_of(context):
        for place, rates in rates_of(path, price):
            for field, amount in amounts_of(rates).items():
                if amount > MOST:
                    message = f"`{field}` of model `{name}` is above 1000000"
                    yield context.report("NF507", message, (*place, field), help=("check where the point stands",))


@rule("NF508", "borrowed-price", Severity.WARNING)
def borrowed_price(context: Context) -> Iterator[Diagnostic]:
    """A class that a model surely uses is charged like plain text.

    ## Why
    A class without a price of its own costs what its neighbour costs. Providers charge more for writing a cache that
    callers mark, for pictures that a chat model makes, and often for sound that it hears; at the neighbour's price
    each such call loses money. Write the price out if it is the same.

    ## Bad
        models:
          gpt:
            capabilities: {cache: openai-breakpoints}
            price: {input: "1", output: "4"}

    ## Good
        models:
          gpt:
            capabilities: {cache: openai-breakpoints}
            price: {input: "1", output: "4", cache_write_5m: "1.25"}
    """
    for name, model, path, price in lists_of(context):
        borrowed = [(field, like) for field, like in _used(context.document, model) if getattr(price, field) is None]
        if price.per_image is not None or price.images:
            borrowed = [entry for entry in borrowed if entry[0] != "output_image"]
        for field, like in borrowed:
            yield context.report(
                "NF508",
                f"model `{name}` has no price for `{field}`, which is then charged like `{like}`",
                path,
                key=True,
                help=(f"add `{field}`, with the price of `{like}` if it is the same",),
            )


def _used(document: spec.Spec, model: spec.Model) -> Iterator[tuple[str, str]]:
    """Classes that calls of `model` will have, and that seldom cost what their neighbour costs."""
    providers = [document.providers[lane.provider] for lane in model.lanes if lane.provider in document.providers]
    marks = {capabilities.resolve(model, provider).cache for provider in providers}
    if "anthropic" in marks or "openai-breakpoints" in marks:
        yield "cache_write_5m", "input"
    if "anthropic" in marks:
        yield "cache_write_1h", "cache_write_5m"
    if "audio" in model.input:
        yield "input_audio", "input"
    if "image" in model.output and "text" in model.output:
        yield "output_image", "output"
