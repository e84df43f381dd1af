"""What one upstream attempt consumed, in disjoint classes, so that every token is counted and priced once.

Source: protocols 4.1. Integers of at least zero. A class that the provider did not speak of is `None` while reading and
counts as zero in sums: absent is not zero, and a provider's silence must not look like a report.
"""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

Source = Literal["reported", "estimated", "partial"]


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record. Token classes never overlap; `pred_*` and `n_*` are counts beside them.

    `raw` is the provider's own usage object as it last stood, `inconsistent` marks a subtraction that had to be
    clipped at zero, `tier` is the service tier that the provider says it used.
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
    tier: str | None = None
    speed: str | None = None
    geo: str | None = None
    source: Source = "reported"
    inconsistent: bool = False
    raw: Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def cache_read(self) -> int:
        """All input tokens read from a cache."""
        return _sum(self.cache_read_text, self.cache_read_audio, self.cache_read_image, self.cache_read_video)

    @property
    def cache_write(self) -> int:
        """All input tokens written to a cache."""
        return _sum(self.cache_write_5m, self.cache_write_30m, self.cache_write_1h, self.cache_write_12h)

    @property
    def uncached(self) -> int:
        """Input tokens that no cache had a part in, without those that a provider's own tools fed back."""
        return _sum(self.input_text, self.input_audio, self.input_image, self.input_video)

    @property
    def total_input(self) -> int:
        """IN of protocols 4.1."""
        return self.uncached + self.cache_read + self.cache_write + (self.tool_input or 0)

    @property
    def total_output(self) -> int:
        """OUT of protocols 4.1, reasoning included."""
        return _sum(self.output_text, self.output_reasoning, self.output_audio, self.output_image)

    @property
    def total(self) -> int:
        """IN and OUT."""
        return self.total_input + self.total_output


def _sum(a: int | None, b: int | None, c: int | None, d: int | None) -> int:
    return (a or 0) + (b or 0) + (c or 0) + (d or 0)
