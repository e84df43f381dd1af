"""NF191 and NF4xx: what is offered and cannot be served, and protocols that do not fit the model."""

from collections.abc import Iterator

from codegen import spec
from codegen.diagnostics import Diagnostic, Severity
from codegen.lint.context import Context
from codegen.resolve import CONVERSATIONS, SERVED, reachable
from codegen.rules import rule
from codegen.source import Path
from codegen.suggest import quoted

# What a model makes, and the protocols that can deliver it.
_DELIVERY: tuple[tuple[spec.Modality, frozenset[spec.Protocol]], ...] = (
    ("embedding", frozenset(("openai/embeddings",))),
    ("video", frozenset(("nexusflow/tasks",))),
    ("image", frozenset((*CONVERSATIONS, "openai/image-generations", "nexusflow/tasks"))),
)
_MADE_BY: dict[spec.Protocol, spec.Modality] = {
    **dict.fromkeys(CONVERSATIONS, "text"),
    "openai/embeddings": "embedding",
    "openai/image-generations": "image",
}
_SHELVES: dict[spec.Category, spec.Modality] = {"embedding": "embedding", "image": "image", "video": "video"}


@rule("NF191", "protocol-not-served", Severity.WARNING)
def protocol_not_served(context: Context) -> Iterator[Diagnostic]:
    """A client protocol is offered that this version does not serve yet.

    ## Why
    The catalogue may already say what a model will speak, and nothing breaks; but a client that tries it today gets
    404. Each protocol is reported once, where it is first written.

    ## Bad
        models:
          gpt:
            supported_protocols: [openai/chat-completions, nexusflow/tasks]

    ## Good
        models:
          gpt:
            supported_protocols: [openai/chat-completions]
    """
    document = context.document
    first: dict[str, Path] = {}
    offers: dict[str, int] = {}
    for at, protocol in enumerate(document.gateway.protocols or ()):
        first.setdefault(protocol, ("gateway", "protocols", at))
    for name, model in document.models.items():
        for at, protocol in enumerate(model.supported_protocols):
            first.setdefault(protocol, ("models", name, "supported_protocols", at))
            offers[protocol] = offers.get(protocol, 0) + 1
    for unserved, path in first.items():
        if unserved not in SERVED:
            count = offers.get(unserved, 0)
            yield context.report(
                "NF191",
                f"this version does not serve `{unserved}` yet, which {_models(count)} offer{'s' * (count < 2)}",
                path,
                help=(f"clients can use {quoted(SERVED)} today; the line may stay for later versions",),
            )


@rule("NF401", "no-lane-serves", Severity.WARNING)
def no_lane_serves(context: Context) -> Iterator[Diagnostic]:
    """A model offers a protocol that this version serves, and none of its providers can be called.

    ## Why
    A request is passed on as it is to a provider that speaks the same protocol, and translated for one that speaks
    another chat protocol. Providers of other kinds cannot be reached yet, so such a model is listed as unavailable and
    answers with an error. Each provider is reported once, at the first model that depends on it.

    ## Bad
        providers:
          openai: {protocol: dashscope/tasks}

    ## Good
        providers:
          openai: {protocol: openai/chat-completions}
    """
    document = context.document
    served = frozenset(SERVED).intersection(document.gateway.protocols or SERVED)
    stranded: dict[str, list[Path]] = {}
    for name, model in document.models.items():
        providers = [document.providers.get(lane.provider) for lane in model.lanes]
        if served.isdisjoint(model.supported_protocols) or any(item is None or reachable(item) for item in providers):
            continue
        seen: set[str] = set()
        for at, lane in enumerate(model.lanes):
            if lane.provider not in seen:
                stranded.setdefault(lane.provider, []).append(("models", name, "lanes", at, "provider"))
            seen.add(lane.provider)
    for provider, paths in stranded.items():
        others = f" and {_models(len(paths) - 1, 'other')}" if len(paths) > 1 else ""
        yield context.report(
            "NF401",
            f"provider `{provider}` speaks `{document.providers[provider].protocol}`, which requests are not "
            f"translated to yet, so `{paths[0][1]}`{others} will be unavailable",
            paths[0],
            help=("add a lane to a provider that speaks a chat protocol, or leave it for a later version",),
        )


@rule("NF402", "protocol-contradicts-model", Severity.WARNING)
def protocol_contradicts_model(context: Context) -> Iterator[Diagnostic]:
    """What a model makes does not fit the protocols it offers, or the shelf it stands on.

    ## Why
    Chat answers with text, so a model that makes only sound cannot serve it; and vectors reach a client only through
    embeddings. One of the two lines is wrong.

    ## Bad
        models:
          gpt:
            output: [audio]
            price: {input: "1", output: "4", output_audio: "20"}

    ## Good
        models:
          gpt:
            output: [text]
    """
    for name, model in context.document.models.items():
        base = ("models", name)
        for at, protocol in enumerate(model.supported_protocols):
            made = _MADE_BY.get(protocol)
            if made is not None and made not in model.output:
                yield context.report(
                    "NF402",
                    f"model `{name}` offers `{protocol}`, but its output has no `{made}`",
                    (*base, "supported_protocols", at),
                    help=(f"add `{made}` to `output`, or remove the protocol",),
                )
        for made, carriers in _DELIVERY:
            if made in model.output and carriers.isdisjoint(model.supported_protocols):
                yield context.report(
                    "NF402",
                    f"model `{name}` makes `{made}`, but offers no protocol that delivers it",
                    (*base, "supported_protocols"),
                    help=(f"add {quoted(sorted(carriers), 'or')} to `supported_protocols`",),
                )
        shelf = _SHELVES.get(model.category)
        if shelf is not None and shelf not in model.output:
            yield context.report(
                "NF402",
                f"model `{name}` stands under category `{model.category}`, but its output has no `{shelf}`",
                (*base, "category"),
                help=(f"set `output: [{shelf}]`, or another category",),
            )


def _models(count: int, other: str = "") -> str:
    words = f"{other} model" if other else "model"
    return f"{count or 'no'} {words}{'s' * (count > 1)}"
