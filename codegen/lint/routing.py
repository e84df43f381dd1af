"""NF30x: lanes that are never chosen, and weights that weigh nothing."""

from collections import Counter
from collections.abc import Iterator

from codegen.diagnostics import Diagnostic, Label, Severity
from codegen.lint.context import Context
from codegen.rules import rule


@rule("NF301", "unreachable-lane", Severity.WARNING)
def unreachable_lane(context: Context) -> Iterator[Diagnostic]:
    """Two lanes of a model are the same: one provider, one name there.

    ## Why
    Where the first lane failed the second one fails too, so it costs time and never helps. Usually its provider or
    its model was meant to be another one.

    ## Bad
        models:
          gpt:
            lanes:
              - provider: openai
              - {provider: openai, priority: 1}

    ## Good
        models:
          gpt:
            lanes:
              - provider: openai
              - {provider: openai, model: gpt-stable, priority: 1}
    """
    for name, model in context.document.models.items():
        first: dict[tuple[str, str], int] = {}
        for at, lane in enumerate(model.lanes):
            before = first.setdefault((lane.provider, lane.model or name), at)
            if before != at:
                yield context.report(
                    "NF301",
                    f"a lane of model `{name}` repeats an earlier one: `{lane.model or name}` at `{lane.provider}`",
                    ("models", name, "lanes", at),
                    help=("give it another provider or model, or remove it",),
                    secondary=(Label(context.tree.at(("models", name, "lanes", before)), "the earlier lane"),),
                )


@rule("NF302", "weight-without-choice", Severity.WARNING)
def weight_without_choice(context: Context) -> Iterator[Diagnostic]:
    """A lane has a weight, and no other lane has its priority.

    ## Why
    Weights share requests among lanes of the same priority. A lane that is alone there gets them all, whatever its
    weight; most often the priorities were meant to be equal.

    ## Bad
        models:
          gpt:
            lanes:
              - {provider: openai, weight: 3}

    ## Good
        models:
          gpt:
            lanes:
              - {provider: openai, weight: 3}
              - {provider: openai, model: gpt-stable, weight: 1}
    """
    for name, model in context.document.models.items():
        company = Counter(lane.priority for lane in model.lanes)
        for at, lane in enumerate(model.lanes):
            if lane.weight != 1 and company[lane.priority] == 1:
                yield context.report(
                    "NF302",
                    f"a lane of model `{name}` has weight {lane.weight}, but no other lane has its priority "
                    f"`{lane.priority}`",
                    ("models", name, "lanes", at, "weight"),
                    help=("give the lanes that share requests the same priority, or remove the weight",),
                )
