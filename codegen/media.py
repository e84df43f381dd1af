"""What image and video models take: as the plan has it, and as their request structs are narrowed by it."""

from collections.abc import Iterator

from codegen import spec
from nexusflow.ir.plan import FieldRule, MediaRules

FIELDS = {
    "nexusflow/tasks": frozenset(
        ("size", "ratio", "resolution", "duration", "n", "seed", "audio", "watermark", "reference_urls")
    ),
    "openai/image-generations": frozenset(("n", "seed", "size", "watermark")),
}
"""By client protocol: what a model's `media` narrows."""


def rules(media: spec.Media) -> MediaRules:
    """The plan's words."""
    duration = media.duration_seconds
    return MediaRules(
        sync=media.mode == "sync",
        sizes=media.sizes or (),
        ratios=media.ratios or (),
        resolutions=tuple(one.upper() for one in media.resolutions or ()),
        duration_min=duration.min if duration is not None else None,
        duration_max=duration.max if duration is not None else None,
        duration_default=duration.default if duration is not None else None,
        durations=tuple(sorted(duration.allowed)) if duration is not None and duration.allowed else (),
        n_max=media.n_max,
        seed_max=media.seed_max,
        references_max=media.references_max,
        audio=media.audio,
        watermark=media.watermark_default,
    )


def narrowed(protocol: str, media: spec.Media) -> list[FieldRule]:
    """How the requests of a model over `protocol` are narrowed, by name."""
    found = {rule.name: rule for rule in _rules(protocol, media)}
    return [found[name] for name in sorted(found.keys() & FIELDS[protocol])]


def _rules(protocol: str, media: spec.Media) -> Iterator[FieldRule]:
    sizes = media.sizes or ()
    if sizes:
        yield FieldRule(name="size", values=(*sizes, "auto") if protocol != "nexusflow/tasks" else sizes)
    yield FieldRule(name="n", minimum=1, maximum=media.n_max)
    if media.seed_max is None:
        yield FieldRule(name="seed", accept=False)
    else:
        yield FieldRule(name="seed", minimum=0, maximum=media.seed_max)
    if media.ratios:
        yield FieldRule(name="ratio", values=media.ratios)
    if media.resolutions:
        yield FieldRule(name="resolution", values=tuple(one.upper() for one in media.resolutions))
    else:
        yield FieldRule(name="resolution", accept=False)
    yield _duration(media.duration_seconds)
    if not media.audio:
        yield FieldRule(name="audio", accept=False)
    if media.references_max:
        yield FieldRule(name="reference_urls", maximum=media.references_max)
    else:
        yield FieldRule(name="reference_urls", accept=False)


def _duration(duration: spec.Duration | None) -> FieldRule:
    if duration is None:
        return FieldRule(name="duration", accept=False)
    if duration.allowed:
        return FieldRule(name="duration", values=tuple(sorted(duration.allowed)))
    return FieldRule(name="duration", minimum=duration.min, maximum=duration.max)
