"""What one upstream attempt consumed, in disjoint classes, so that every token is counted and priced once.

Source: protocols 4.1. Integers of at least zero. A class that the provider did not speak of is `None` while reading and
counts as zero in sums: absent is not zero, and a provider's silence must not look like a report.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Literal

import msgspec
from msgspec import Raw, Struct

Source = Literal["reported", "estimated", "partial"]


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record. Token classes never overlap; `pred_*` and `n_*` are counts beside them.

    `raw` is the provider's own usage object as it last stood, `inconsistent` marks a subtraction that had to be
    clipped at zero, `tier` is the service tier that the provider says it used. `media` is what images and seconds of
    video are priced by: SIZE/QUALITY, or RESOLUTION and +audio where it has sound.
    """

    input_text: int | None = None
    input_audio: int | None = None
    input_image: int | None = None
    input_video: int | None = None
    cache_read_text: int | None = None
    cache_read_audio: int | None = None
    cache_read_image: int | None = None
    cache_read_video: int | None = None
    cache_write_5m: int | None = None
    cache_write_30m: int | None = None
    cache_write_1h: int | None = None
    cache_write_12h: int | None = None
    tool_input: int | None = None
    output_text: int | None = None
    output_reasoning: int | None = None
    output_audio: int | None = None
    output_image: int | None = None
    pred_accepted: int | None = None
    pred_rejected: int | None = None
    n_web_search: int | None = None
    n_web_fetch: int | None = None
    n_grounding: int | None = None
    n_maps: int | None = None
    n_images: int | None = None
    n_video_seconds: int | None = None
    media: str | None = None
    tier: str | None = None
    speed: str | None = None
    geo: str | None = None
    source: Source = "reported"
    inconsistent: bool = False
    raw: Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def cache_read(self) -> int:
        """All input tokens read from a cache."""
        return sum(filter(None, _cache_read(self)))

    @property
    def cache_write(self) -> int:
        """All input tokens written to a cache."""
        return sum(filter(None, _cache_write(self)))

    @property
    def uncached(self) -> int:
        """Input tokens that no cache had a part in, without those that a provider's own tools fed back."""
        return sum(filter(None, _uncached(self)))

    @property
    def total_input(self) -> int:
        """IN of protocols 4.1."""
        return sum(filter(None, _input(self)))

    @property
    def total_output(self) -> int:
        """OUT of protocols 4.1, reasoning included."""
        return sum(filter(None, _output(self)))

    @property
    def total(self) -> int:
        """IN and OUT."""
        return self.total_input + self.total_output


_Counts = Callable[[Usage], tuple[int | None, ...]]
_UNCACHED = ("input_text", "input_audio", "input_image", "input_video")
_READ = ("cache_read_text", "cache_read_audio", "cache_read_image", "cache_read_video")
_WRITTEN = ("cache_write_5m", "cache_write_30m", "cache_write_1h", "cache_write_12h")
_uncached: _Counts = attrgetter(*_UNCACHED)
_cache_read: _Counts = attrgetter(*_READ)
_cache_write: _Counts = attrgetter(*_WRITTEN)
_input: _Counts = attrgetter(*_UNCACHED, *_READ, *_WRITTEN, "tool_input")
_output: _Counts = attrgetter("output_text", "output_reasoning", "output_audio", "output_image")
