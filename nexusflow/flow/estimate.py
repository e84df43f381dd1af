"""How large a request may turn out to be, before anybody counts it: what its reservation is made for (B-07).

Bytes of the body over 3.5 for text, and a flat figure for each picture or file, whatever it weighs: base64 is no text.
It is cheap, since no request is parsed for it, and seldom too low. What a file or a provider's own search can add
without our seeing it only widens what a usage report may say and still be believed (B-08).
"""

from typing import NamedTuple

from nexusflow.ir.plan import Model
from nexusflow.ir.usage import Usage
from nexusflow.protocols.common.demand import Demand

TOKENS_PER_MEDIUM = 3_000
"""Above what any provider counts for one picture of usual size (OpenAI 1,445, Anthropic 1,600, Gemini 258 a tile)."""
FRAME = 64
"""What the provider adds of its own to the smallest request."""
UNKNOWN_CONTEXT = 2_000_000
"""Of a model whose context the catalogue does not name: as large as any on offer."""
UNKNOWN_OUTPUT = 1_000_000
_INLINE = (b";base64,", b'"data":"', b'"data": "')
_SHORTEST_INLINE = 1024
_UNSEEN = (b"search", b"Search", b"fetch", b"code_", b"codeExecution", b"urlContext", b"mcp", b"computer", b"container")
"""What a provider may run by itself and bill as input."""


class Size(NamedTuple):
    """Tokens of one request before it is sent: `input` as estimated, `output` of each of `answers` as bounded."""

    input: int
    output: int
    answers: int
    media: int


def size_of(body: bytes, demand: Demand, model: Model, default_output: int) -> Size:
    """The size of a request body of any chat protocol. `default_output` is for callers that name no bound (2.3)."""
    media = demand.media
    text = _text(body) if media else len(body)
    longest = model.max_output_tokens
    asked = demand.max_output if demand.max_output is not None else default_output
    return Size(
        input=FRAME + text * 2 // 7 + media * TOKENS_PER_MEDIUM,
        output=min(asked, longest) if longest else asked,
        answers=demand.answers,
        media=media,
    )


def output_tokens(answer_bytes: int) -> int:
    """An estimate for an answer whose usage nobody reported."""
    return answer_bytes * 2 // 7


def most(usage: Usage, size: Size, body: bytes, model: Model) -> tuple[int, int]:
    """The most input and output tokens that a report on this request may claim (B-08)."""
    most_input = size.input * 4 + 10_000
    if usage.total_input > most_input and (size.media or any(mark in body for mark in _UNSEEN)):
        most_input = max(most_input, model.context_tokens or UNKNOWN_CONTEXT)
    return most_input, (max(model.max_output_tokens or UNKNOWN_OUTPUT, size.output) * 4 + 10_000) * size.answers


def _text(body: bytes) -> int:
    """Bytes of a body without the pictures and files in it."""
    size = len(body)
    for mark in _INLINE:
        at = body.find(mark)
        while at >= 0:
            end = body.find(b'"', at + len(mark))
            if end - at > _SHORTEST_INLINE:
                size -= end - at
            at = body.find(mark, max(end, at + 1))
    return max(size, 0)
