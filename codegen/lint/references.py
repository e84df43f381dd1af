"""NF2xx: names that point nowhere, names that are taken, chains that never end."""

from collections.abc import Iterator, Mapping, Sequence

from codegen.diagnostics import Diagnostic, Label, Severity
from codegen.lint.context import Context, Mention
from codegen.rules import rule
from codegen.source import Path
from codegen.suggest import quoted

Edge = tuple[str, Path]
"""The model that is pointed to, and where that is written."""


@rule("NF201", "unknown-provider")
def unknown_provider(context: Context) -> Iterator[Diagnostic]:
    """A lane names a provider that does not exist.

    ## Why
    The gateway could never use this lane, and a second lane would hide that.

    ## Bad
        models:
          gpt:
            lanes:
              - provider: opennai

    ## Good
        models:
          gpt:
            lanes:
              - provider: openai
    """
    document = context.document
    found = (
        Mention(
            ("models", name, "lanes", at, "provider"),
            lane.provider,
            f"a lane of model `{name}` names provider `{lane.provider}`, which does not exist",
        )
        for name, model in document.models.items()
        for at, lane in enumerate(model.lanes)
        if lane.provider not in document.providers
    )
    yield from context.unknown_names("NF201", found, {name: name for name in document.providers}, "providers")


@rule("NF202", "unknown-model")
def unknown_model(context: Context) -> Iterator[Diagnostic]:
    """A fallback, a successor, an objective or a budget names a model that does not exist.

    ## Why
    Clients would be sent to a model they cannot call. An alias does not count: it may move to another model, so what
    is configured names the model itself.

    ## Bad
        models:
          gpt:
            deprecated: {since: 2026-01-31, use: gpt-next}

    ## Good
        models:
          gpt:
            deprecated: {since: 2026-01-31, use: gpt-2}
          gpt-2:
            lanes:
              - provider: openai
    """
    models = context.document.models
    aliases = {alias: name for name, model in models.items() for alias in model.aliases}
    found = (
        Mention(path, name, f"{where} is `{name}`, which is {_reason(aliases.get(name))}")
        for path, name, where in _mentions(context)
        if name not in models
    )
    yield from context.unknown_names("NF202", found, {**aliases, **{name: name for name in models}}, "models")


@rule("NF203", "name-taken")
def name_taken(context: Context) -> Iterator[Diagnostic]:
    """An alias is already the name or an alias of a model.

    ## Why
    One name must mean one model, or a request would be served, and charged, by chance.

    ## Bad
        models:
          gpt:
            aliases: [smart]
          gpt-2:
            aliases: [smart]

    ## Good
        models:
          gpt:
            aliases: [smart]
          gpt-2:
            aliases: [smarter]
    """
    taken: dict[str, tuple[str, Path]] = {}
    models = context.document.models
    for name, model in models.items():
        for at, alias in enumerate(model.aliases):
            path = ("models", name, "aliases", at)
            if alias in models:
                owner, first = alias, Label(context.tree.key(("models", alias)), "the model of this name")
                what = "the name of its own model" if alias == name else f"the name of model `{alias}`"
            elif alias in taken:
                owner, place = taken[alias]
                first = Label(context.tree.at(place), "first given here")
                what = "given to it twice" if owner == name else f"already an alias of `{owner}`"
            else:
                taken[alias] = (name, path)
                continue
            hint = "remove the alias" if owner == name else "choose another alias, or remove it"
            yield context.report(
                "NF203", f"alias `{alias}` of model `{name}` is {what}", path, help=(hint,), secondary=(first,)
            )


@rule("NF204", "circular-reference")
def circular_reference(context: Context) -> Iterator[Diagnostic]:
    """A model leads back to itself through its successors or its fallbacks.

    ## Why
    Whoever follows the advice to use another model must arrive somewhere, and a fallback to the model that has just
    failed is no fallback.

    ## Bad
        models:
          gpt:
            deprecated: {since: 2026-01-31, use: gpt}

    ## Good
        models:
          gpt:
            deprecated: {since: 2026-01-31, use: gpt-2}
          gpt-2:
            lanes:
              - provider: openai
    """
    models = context.document.models
    successors = {
        name: [(model.deprecated.use, ("models", name, "deprecated", "use"))]
        for name, model in models.items()
        if model.deprecated and model.deprecated.use
    }
    fallbacks = {
        name: [(other, ("models", name, "fallbacks", at)) for at, other in enumerate(model.fallbacks)]
        for name, model in models.items()
        if model.fallbacks
    }
    for verb, edges in (("is replaced by", successors), ("falls back to", fallbacks)):
        for cycle in _cycles(edges):
            *others, (name, path) = cycle
            via = f" through {quoted(other for other, _ in others)}" if others else ""
            yield context.report(
                "NF204",
                f"model `{name}` {verb} itself{via}",
                path,
                help=("name a model that does not lead back here",),
                secondary=tuple(Label(context.tree.at(place), "and this leads on") for _, place in others),
            )


@rule("NF205", "unused-provider", Severity.WARNING)
def unused_provider(context: Context) -> Iterator[Diagnostic]:
    """No lane uses a provider.

    ## Why
    A provider without lanes serves nothing; most often its lanes were forgotten or name another one.

    ## Bad
        providers:
          openai: {}
          spare: {base_url: https://spare.example.com/v1}

    ## Good
        providers:
          openai: {}
    """
    used = {lane.provider for model in context.document.models.values() for lane in model.lanes}
    if not used <= context.document.providers.keys():
        return  # a misspelt name (NF201) may well mean the one that seems unused
    for name in context.document.providers:
        if name not in used:
            yield context.report(
                "NF205",
                f"provider `{name}` is used by no lane",
                ("providers", name),
                key=True,
                help=("give a model a lane to it, or remove it",),
            )


def _mentions(context: Context) -> Iterator[tuple[Path, str, str]]:
    """Every place that names a model: its path, the name, and words for the place."""
    for name, model in context.document.models.items():
        for at, other in enumerate(model.fallbacks):
            yield ("models", name, "fallbacks", at), other, f"a fallback of model `{name}`"
        if model.deprecated and model.deprecated.use:
            yield ("models", name, "deprecated", "use"), model.deprecated.use, f"the successor of model `{name}`"
    for at, objective in enumerate(context.document.slos):
        if objective.model is not None:
            yield ("slos", at, "model"), objective.model, f"the model of objective `{objective.name}`"
    for at, budget in enumerate(context.document.budgets):
        if budget.scope == "model" and budget.subject is not None:
            yield ("budgets", at, "subject"), budget.subject, "the model of a budget"


def _reason(alias_of: str | None) -> str:
    return "no model" if alias_of is None else f"only an alias of `{alias_of}`"


def _cycles(edges: Mapping[str, Sequence[Edge]]) -> Iterator[list[Edge]]:
    """The edges of each cycle, the one that closes it last. Without recursion: a chain may be 10,000 models long."""
    finished: set[str] = set()
    for start in edges:
        trail: list[Edge] = [(start, ())]
        position = {start: 0}
        branches = [iter(edges[start])]
        while branches:
            edge = next(branches[-1], None)
            if edge is None:
                branches.pop()
                name, _ = trail.pop()
                finished.add(name)
                del position[name]
            elif edge[0] in position:
                yield [*trail[position[edge[0]] + 1 :], edge]
            elif edge[0] not in finished and edge[0] in edges:
                position[edge[0]] = len(trail)
                trail.append(edge)
                branches.append(iter(edges[edge[0]]))
