"""NF31x: names that meet on one address, or that people cannot tell apart."""

from collections.abc import Iterator

from codegen.diagnostics import Diagnostic, Label, Severity
from codegen.lint.context import Context
from codegen.rules import rule
from codegen.source import Path

VERBS = (
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "embedContent",
    "batchEmbedContents",
    "asyncBatchEmbedContent",
    "batchGenerateContent",
    "predict",
    "predictLongRunning",
)
"""What follows the colon in `/v1beta/models/{model}:{verb}` (Gemini API reference, methods of `models`)."""


@rule("NF310", "surface-collision")
def surface_collision(context: Context) -> Iterator[Diagnostic]:
    """A name would share its address with something else.

    ## Why
    Some routes carry the model in the address: `/v1beta/models/{model}:generateContent`, `/v1/models/{model}`. A name
    that ends in such a verb looks like a call to another model, and clients and proxies rewrite addresses with `//`,
    `/./` and `/../` before the gateway sees them.

    ## Bad
        models:
          gpt:
            aliases: ["gpt:generateContent"]

    ## Good
        models:
          gpt:
            aliases: ["gpt:generate"]
    """
    for name, path, key in _names(context):
        model, _, verb = name.rpartition(":")
        if model and verb in VERBS:
            yield context.report(
                "NF310",
                f"the name `{name}` has the address of a `{verb}` call to a model `{model}`",
                path,
                key=key,
                help=(f"choose a name that does not end in `:{verb}`",),
            )
        elif not {"", ".", ".."}.isdisjoint(name.split("/")):
            yield context.report(
                "NF310",
                f"the name `{name}` changes when an address that holds it is normalized",
                path,
                key=key,
                help=("remove empty, `.` and `..` parts between the slashes",),
            )


@rule("NF311", "names-differ-by-case", Severity.WARNING)
def names_differ_by_case(context: Context) -> Iterator[Diagnostic]:
    """Names of two models differ only in capital letters.

    ## Why
    Names are compared exactly, so both work, but a client that writes the other one gets another model at another
    price. An alias of the same model in other capitals is fine.

    ## Bad
        models:
          gpt:
            aliases: [smart]
          gpt-2:
            aliases: [Smart]

    ## Good
        models:
          gpt:
            aliases: [smart, Smart]
          gpt-2:
            aliases: [smarter]
    """
    first: dict[str, tuple[str, Path, bool]] = {}
    for name, path, key in _names(context):
        other, place, is_key = first.setdefault(name.lower(), (name, path, key))
        if other != name and place[1] != path[1]:
            span = context.tree.key(place) if is_key else context.tree.at(place)
            yield context.report(
                "NF311",
                f"the names `{other}` and `{name}` differ only in capital letters and mean different models",
                path,
                key=key,
                help=("rename one of them",),
                secondary=(Label(span, "the other name"),),
            )


def _names(context: Context) -> Iterator[tuple[str, Path, bool]]:
    """Every public name with its path, and whether it is a field's name there."""
    for name, model in context.document.models.items():
        yield name, ("models", name), True
        for at, alias in enumerate(model.aliases):
            yield alias, ("models", name, "aliases", at), False
