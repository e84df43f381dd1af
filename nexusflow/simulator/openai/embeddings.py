"""`POST /v1/embeddings` (protocols 1.6)."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from nexusflow.simulator.asked import Asked, identify
from nexusflow.simulator.failure import Refused, Vendor
from nexusflow.simulator.form import Call, Plain
from nexusflow.simulator.openai.chat_body import Strict
from nexusflow.simulator.openai.vendor import OPENAI, invalid
from nexusflow.simulator.shape import fit
from nexusflow.simulator.tokens import count
from nexusflow.simulator.usage import Usage
from nexusflow.simulator.vectors import DIMENSIONS, embed, to_base64

MOST_TOKENS = 8192

Tokens = Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1)]


class Body(Strict, frozen=True):
    """The body."""

    model: str
    input: str | Annotated[list[Any], Meta(min_length=1, max_length=2048)]
    dimensions: Annotated[int, Meta(ge=1, le=DIMENSIONS)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


class Embeddings(Plain):
    """One request for embeddings."""

    vendor: ClassVar[Vendor] = OPENAI

    def __init__(self, body: Body, texts: Sequence[str]) -> None:
        self._body, self._texts = body, texts

    def unary(self, call: Call) -> dict[str, Any]:
        wanted = self._body.dimensions or DIMENSIONS
        vectors = [embed(text, wanted) for text in ([] if call.silent else self._texts)]
        written = [to_base64(one) if self._body.encoding_format == "base64" else one for one in vectors]
        told = call.report(self, Usage(sum(map(count, self._texts)), 0))
        return {
            "object": "list",
            "data": [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(written)],
            "model": call.model,
            **({} if told is None else {"usage": told}),
        }

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {"prompt_tokens": usage.input, "total_tokens": usage.input}


def read(data: dict[str, Any]) -> tuple[Asked, Embeddings]:
    """A request. Raises `Misfit` or `Refused` where OpenAI does not take it."""
    body = fit(data, Body)
    texts = list(_texts(body.input))
    for text in texts:
        if count(text) > MOST_TOKENS:
            said = f"This model's maximum context length is {MOST_TOKENS} tokens, however you requested {count(text)}."
            raise Refused(invalid(said, "input"))
    return Asked((), identify(data)), Embeddings(body, texts)


def _texts(given: str | list[Any]) -> list[str]:
    """The inputs. One made of tokens is read as a text of their numbers, a word each."""
    if isinstance(given, str):
        return [given]
    if all(isinstance(one, str) for one in given):
        return given
    if isinstance(given[0], list):
        return [_spelled(one) for one in fit({"input": given}, _Several).input]
    return [_spelled(fit({"input": given}, _Single).input)]


def _spelled(tokens: list[int]) -> str:
    return " ".join(map(str, tokens))


class _Single(Strict, frozen=True):
    input: Tokens


class _Several(Strict, frozen=True):
    input: list[Tokens]
