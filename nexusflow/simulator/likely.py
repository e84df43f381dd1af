"""How likely each token of a reply was: made up, the same for the same token, and written in each form's own way."""

import zlib
from typing import Any

from nexusflow.simulator.tokens import pieces

STEP = 0.0625


def chances(text: str, alternatives: int) -> list[list[tuple[str, float]]]:
    """For each token of `text` the logarithm of its probability, and behind it the most likely tokens, itself first."""
    return [[(token, _chance(token)), *_others(token, alternatives)] for token in pieces(text)]


def openai(text: str, alternatives: int) -> list[dict[str, Any]]:
    """As in `logprobs.content` of Chat and in `logprobs` of Responses."""
    return [
        {**_token(*first), "top_logprobs": [_token(*one) for one in others]}
        for first, *others in chances(text, alternatives)
    ]


def gemini(text: str, alternatives: int) -> dict[str, Any]:
    """As `logprobsResult`."""
    found = chances(text, alternatives)
    return {
        "chosenCandidates": [_candidate(*first) for first, *_ in found],
        "topCandidates": [{"candidates": [_candidate(*one) for one in others]} for _, *others in found],
    }


def _chance(token: str) -> float:
    return -STEP * (1 + zlib.crc32(token.encode()) % 16)


def _others(token: str, number: int) -> list[tuple[str, float]]:
    likely = _chance(token)
    return [(token if at == 0 else f"{token}~{at}", likely - at) for at in range(number)]


def _token(token: str, chance: float) -> dict[str, Any]:
    return {"token": token, "logprob": chance, "bytes": list(token.encode())}


def _candidate(token: str, chance: float) -> dict[str, Any]:
    return {"token": token, "logProbability": chance}
