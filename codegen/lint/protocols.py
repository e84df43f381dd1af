"""NF4xx: what is offered and cannot be served, and protocols that do not fit the model."""

from collections.abc import Iterator

from codegen import media, spec
from codegen.diagnostics import Diagnostic, Severity
from codegen.lint.context import Context
from codegen.resolve import CONVERSATIONS, SERVED, reachable
from codegen.rules import rule
from codegen.source import Path
from codegen.suggest import quoted
from nexusflow.ir.task import MADE_BY

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


@rule("NF401", "no-lane-serves", Severity.WARNING)
def no_lane_serves(context: Context) -> Iterator[Diagnostic]:
    """A model offers a protocol that this version serves, and none of its providers can be called.

    ## Why
    A chat is passed on as it is to a provider that speaks the same protocol, and translated for one that speaks
    another chat protocol; images and videos are had from providers whose interface is known for that. A model with no
    such lane is listed as unavailable and answers with an error. Each provider is reported once, at the first model
    that depends on it.

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
        callable_ = any(item is None or _serves(item, model) for item in providers)
        if callable_ or served.isdisjoint(model.supported_protocols):
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
            f"provider `{provider}` speaks `{document.providers[provider].protocol}`, by which it cannot be asked for "
            f"this, so `{paths[0][1]}`{others} will be unavailable",
            paths[0],
            help=("add a lane to a provider that speaks a protocol for it",),
        )


@rule("NF403", "media-missing")
def media_missing(context: Context) -> Iterator[Diagnostic]:
    """A model offers images or tasks, and nothing says what it takes and makes.

    ## Why
    Sizes, lengths, counts and seeds differ from model to model; requests are checked against them before anything is
    promised, and held money is computed from them.

    ## Bad
        models:
          gpt:
            output: [image]
            price: {per_image: "0.04"}
            supported_protocols: [openai/image-generations]

    ## Good
        models:
          gpt:
            output: [image]
            price: {per_image: "0.04"}
            supported_protocols: [openai/image-generations]
            media: {mode: sync}
    """
    for name, model in context.document.models.items():
        for at, protocol in enumerate(model.supported_protocols):
            if protocol in media.FIELDS and model.media is None:
                yield context.report(
                    "NF403",
                    f"model `{name}` offers `{protocol}`, and has no `media`",
                    ("models", name, "supported_protocols", at),
                    help=("say what it makes: `media: {mode: sync}` for images, `{mode: async, ...}` for videos",),
                )
                break


def _serves(provider: spec.Provider, model: spec.Model) -> bool:
    """Whether this version can have `model` answer by `provider`."""
    if model.media is None:
        return reachable(provider)
    return provider.protocol in MADE_BY["video" if "video" in model.output else "image"]


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
