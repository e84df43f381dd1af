"""Limits as people and programs read them, on a client's page and in the terminal."""

from collections.abc import Sequence
from typing import Any

from nexusflow.limits.headers import tightest
from nexusflow.limits.rule import Limit, LimitState


def limit_words(limits: Sequence[Limit], states: Sequence[LimitState] | None) -> list[dict[str, Any]]:
    """One row per limit. Without `states`, which come in the same order, nobody could be asked how they stand.

    `binds` marks, of each kind, the one with the least left, or the smallest where that is not known.
    """
    # What nobody could be asked about is taken for untouched.
    known = states if states is not None else [LimitState(limit, limit.amount, 0) for limit in limits]
    kinds = dict.fromkeys(limit.kind for limit in limits)
    binding = [found.limit for kind in kinds if (found := tightest(known, kind)) is not None]
    return [
        {
            "kind": limit.kind,
            "scope": limit.scope,
            "model": limit.model or (limit.subject if limit.scope == "model" else None),
            "amount": limit.amount,
            "per_seconds": None if limit.slots else limit.window_ms // 1000,
            "from": limit.source,
            "remaining": states[at].remaining if states is not None else None,
            "reset_ms": states[at].reset_ms if states is not None and not limit.slots else None,
            "binds": limit in binding,
        }
        for at, limit in enumerate(limits)
    ]
