"""Did you mean: the known names that look most like one that was written."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

LIMIT = 3
_CLOSE = 0.6
_SURE = 0.8
_LONGEST = 200  # comparing grows with the square of the length, and no name is that long
_SHORTEST_START = 3


def nearest(word: str, names: Iterable[str], limit: int = LIMIT) -> tuple[str, ...]:
    """At most `limit` names that resemble `word`, closest first, then those that begin with it.

    Capitals, `-` and `_` make no difference.
    """
    return _nearest(word, tuple(names), limit, _CLOSE)


def likely(word: str, names: Iterable[str]) -> str | None:
    """The one name that was surely meant, close enough to put it in place of `word` unasked."""
    found = _nearest(word, tuple(names), 1, _SURE)
    return found[0] if found else None


@lru_cache(maxsize=1024)
def _nearest(word: str, names: tuple[str, ...], limit: int, cutoff: float) -> tuple[str, ...]:
    written = _fold(word[:_LONGEST])
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(_fold(name), name)
    found = get_close_matches(written, folded, n=limit, cutoff=cutoff)
    if cutoff < _SURE and len(written) >= _SHORTEST_START:
        found += [name for name in folded if name.startswith(written) and name not in found]
    return tuple(folded[name] for name in found[:limit])


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


def quoted(names: Iterable[str], last: str = "and") -> str:
    """Names for a sentence: `a`, `b` and `c`."""
    marked = [f"`{name}`" for name in names]
    return f" {last} ".join(filter(None, [", ".join(marked[:-1]), *marked[-1:]]))


def did_you_mean(names: tuple[str, ...]) -> str:
    """The question that offers these names."""
    return f"did you mean {quoted(names, 'or')}?"
