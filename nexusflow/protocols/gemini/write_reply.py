"""A canonical answer as Gemini's: `candidates`, `usageMetadata` (protocols 2.5, 2.7)."""

from typing import Any

import msgspec

from nexusflow.ir.chat import Candidate, Finish, Logprob
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.protocols.gemini import grounding, usage
from nexusflow.protocols.gemini.reply_parts import Parts
from nexusflow.protocols.gemini.tables import FINISH, ORIGIN, WRITTEN


def write(reply: ChatReply, asked: Asked, losses: Losses) -> bytes:
    """The body for the client.

    Raises `RequestRefused` for an answer that is none: a failure that only another vendor has a word for, or a call
    whose arguments are no JSON object. Nothing of an answer is a loss, so `losses` stays as it is.
    """
    candidates = [_candidate(found, at, asked) for at, found in enumerate(reply.candidates)]
    if reply.origin == ORIGIN:
        for written, found in zip(candidates, reply.candidates, strict=True):
            written.update(found.ext or {})
    answer: dict[str, Any] = {
        "candidates": candidates,
        "modelVersion": asked.model,
        "responseId": asked.response_id,
    }
    if reply.usage is not None:
        answer["usageMetadata"] = usage.write(reply.usage)
    return msgspec.json.encode(answer)


def shows_thoughts(asked: Asked) -> bool:
    """Whether the caller asked for thoughts: Google shows none unless told to."""
    return asked.call.reasoning.expose in ("summary", "full")


def finish_reason(finish: Finish) -> str:
    """Google's word: its own if the provider said one, so that no client meets an unknown one (T32).

    Raises `RequestRefused` for another vendor's failure (protocols 2.1.7).
    """
    if finish.raw in FINISH:
        return finish.raw
    word = WRITTEN.get(finish.reason)
    if word is None:
        raise failure(finish)
    return word


def failure(finish: Finish) -> RequestRefused:
    """An answer that broke off or holds nothing, as a refusal naming the provider's word."""
    name = finish.raw or finish.reason
    return refuse(Kind.UPSTREAM, f"The provider gave no usable answer ({name}).", code=f"upstream_empty:{name}")


def closing(finish: Finish, refusal: str) -> dict[str, Any]:
    """`finishReason` with its explanation."""
    found: dict[str, Any] = {"finishReason": finish_reason(finish)}
    message = finish.text or refusal
    if message:
        found["finishMessage"] = message
    return found


def logprobs_result(logprobs: tuple[Logprob, ...]) -> dict[str, Any]:
    """`logprobsResult` of these tokens."""
    return {
        "chosenCandidates": [_token(one) for one in logprobs],
        "topCandidates": [{"candidates": [_token(other) for other in one.top]} for one in logprobs],
    }


def _token(one: Logprob) -> dict[str, Any]:
    return {"token": one.token, "logProbability": one.logprob}


def _candidate(candidate: Candidate, index: int, asked: Asked) -> dict[str, Any]:
    parts = Parts(thoughts=shows_thoughts(asked))
    for part in candidate.parts:
        parts.add(part)
    found: dict[str, Any] = {
        "content": {"role": "model", "parts": parts.finished()},
        "index": index,
        **closing(candidate.finish, parts.refusal),
    }
    sources = grounding.write(parts.cited)
    if sources is not None:
        found["groundingMetadata"] = sources
    if candidate.logprobs:
        found["logprobsResult"] = logprobs_result(candidate.logprobs)
        found["avgLogprobs"] = sum(one.logprob for one in candidate.logprobs) / len(candidate.logprobs)
    return found
