"""Did you mean: the known names that look most like one that was written."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

LIMIT = 3
_CUTOFF = 0.6
_LONGEST = 200  # comparing grows with the square of the length, and no name is that long


def nearest(word: str, names: Iterable[str], limit: int = LIMIT) -> tuple[str, ...]:
    """At most `limit` of the names that resemble `word`, closest first; capitals, `-` and `_` make no difference."""
    return _nearest(word, tuple(names), limit)


@lru_cache(maxsize=1024)
def _nearest(word: str, names: tuple[str, ...], limit: int) -> tuple[str, ...]:
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(_fold(name), name)
    found = get_close_matches(_fold(word[:_LONGEST]), folded, n=limit, cutoff=_CUTOFF)
    return tuple(folded[name] for name in found)


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


def quoted(names: Iterable[str], last: str = "and") -> str:
    """Names for a sentence: `a`, `b` and `c`."""
    marked = [f"`{name}`" for name in names]
    return f" {last} ".join(filter(None, [", ".join(marked[:-1]), *marked[-1:]]))


def did_you_mean(names: tuple[str, ...]) -> str:
    """The question that offers these names."""
    return f"did you mean {quoted(names, 'or')}?"
