"""What a task may cost, and what it did cost: by piece, by second of video, or by tokens (reliability 2.4, C.4)."""

from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.plan import Price
from nexusflow.ir.task import Brief, Made
from nexusflow.ir.usage import Usage
from nexusflow.pricing import Unpriceable, cost_of, image_media, video_media

IMAGE_TOKENS = 12_000
"""More than any provider counts for one picture that it makes, at its best quality (gpt-image: 6,240)."""
INPUT_TOKENS = 6_000
"""The same for one that it is given."""
SECONDS = 15
"""Longer than any provider makes a video when nobody says how long it shall be."""
_LINES = ((480, "480P"), (720, "720P"), (1080, "1080P"), (1440, "1440P"), (2160, "2160P"))


def resolution_of(brief: Brief) -> str:
    """The resolution of a video as price lists name it; told by its size where the brief has only that."""
    if brief.resolution is not None or brief.size is None:
        return (brief.resolution or "").upper()
    lines = min(int(side) for side in brief.size.split("x"))
    return next((name for most, name in _LINES if lines <= most), f"{lines}P")


def most(brief: Brief, price: Price, now_ms: int) -> int:
    """Nano-units to hold for a task. Raises `RequestRefused` (422) for what has no price or could cost too much."""
    try:
        return cost_of(price, all_of(brief), now_ms).amount
    except Unpriceable as error:
        param = "resolution" if brief.type == "video" else "n"
        raise refuse(Kind.PARAM, f"There is no price for this: {error}.", param=param, status=422) from None


def all_of(brief: Brief) -> Usage:
    """As much as the brief could come to: what money is held for, and what is charged where nobody knows more.

    Of text that is a token for each byte.
    """
    text = brief.prompt + (brief.negative_prompt or "")
    pictures = len(brief.images) + (brief.mask is not None)
    wanted = _usage(brief, brief.n, brief.duration or SECONDS)
    return Usage(
        input_text=64 + len(text.encode()),
        input_image=pictures * INPUT_TOKENS or None,
        output_image=brief.n * IMAGE_TOKENS if brief.type == "image" else None,
        n_images=wanted.n_images,
        n_video_seconds=wanted.n_video_seconds,
        media=wanted.media,
        source="estimated",
    )


def used(brief: Brief, made: Made) -> Usage:
    """What was produced, never more than what was asked for and held: that alone was agreed."""
    count = min(len(made.outputs), brief.n)
    seconds = made.units if made.units is not None else sum(one.seconds or 0 for one in made.outputs)
    asked = brief.duration or SECONDS
    usage = _usage(brief, count, min(max(round(seconds), 1), asked) if seconds > 0 else asked)
    if made.output_tokens is None and made.input_text_tokens is None:
        return usage
    agreed = all_of(brief)
    return Usage(
        input_text=_within(made.input_text_tokens, agreed.input_text),
        input_image=_within(made.input_image_tokens, agreed.input_image),
        output_image=_within(made.output_tokens, agreed.output_image),
        n_images=usage.n_images,
        media=usage.media,
    )


def _within(said: int | None, most: int | None) -> int | None:
    return None if said is None else min(said, most or 0)


def _usage(brief: Brief, count: int, seconds: int) -> Usage:
    if brief.type == "video":
        return Usage(n_video_seconds=seconds, media=video_media(resolution_of(brief), bool(brief.audio)))
    return Usage(n_images=count or None, media=image_media(brief.size, brief.quality))
