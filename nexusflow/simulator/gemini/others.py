"""countTokens, embedContent and batchEmbedContents (protocols 1.6, 1.9)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from nexusflow.simulator.asked import Asked, identify
from nexusflow.simulator.failure import Refused, Vendor
from nexusflow.simulator.form import Call, Plain
from nexusflow.simulator.gemini.body import BatchBody, Body, CountBody, EmbedBody, shape
from nexusflow.simulator.gemini.request import ask
from nexusflow.simulator.gemini.rules import check
from nexusflow.simulator.gemini.vendor import GEMINI, invalid
from nexusflow.simulator.tokens import count
from nexusflow.simulator.traits import Traits
from nexusflow.simulator.usage import Usage
from nexusflow.simulator.vectors import DIMENSIONS, embed


class Counting(Plain):
    """How many tokens a prompt has."""

    vendor: ClassVar[Vendor] = GEMINI

    def unary(self, call: Call) -> dict[str, Any]:
        return self.usage(call.measure([]))

    def usage(self, usage: Usage) -> dict[str, Any]:
        modalities = {"TEXT": usage.input - usage.media, "IMAGE": usage.media}
        details = [{"modality": kind, "tokenCount": tokens} for kind, tokens in modalities.items() if tokens]
        return {"totalTokens": usage.input, "promptTokensDetails": details}


def read_count(data: dict[str, Any], traits: Traits) -> tuple[Asked, Counting]:
    """A prompt to be counted, by itself or with all that goes with it."""
    counted = shape(data, CountBody)
    if counted.contents and counted.generate_content_request is not None:
        raise Refused(invalid("Only one of contents and generate_content_request may be set."))
    body = counted.generate_content_request or Body(contents=counted.contents)
    check(body, traits)
    return ask(body, data, traits), Counting()


class Embedding(Plain):
    """One request for one embedding or, `batch`, several."""

    vendor: ClassVar[Vendor] = GEMINI

    def __init__(self, asked: Sequence[EmbedBody], *, batch: bool) -> None:
        self._asked, self._batch = asked, batch

    def unary(self, call: Call) -> dict[str, Any]:
        found = [] if call.silent else [{"values": embed(_text(one), _length(one))} for one in self._asked]
        told = call.report(self, Usage(sum(count(_text(one)) for one in self._asked), 0))
        usage = {} if told is None else {"usageMetadata": told}
        return {"embeddings": found, **usage} if self._batch else {"embedding": found[0] if found else {}, **usage}

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {"promptTokenCount": usage.input}


def read_embed(data: dict[str, Any], name: str, *, batch: bool) -> tuple[Asked, Embedding]:
    """A request for embeddings from the model `name`."""
    bodies: list[EmbedBody] = shape(data, BatchBody).requests if batch else [shape(data, EmbedBody)]
    for at, body in enumerate(bodies):
        if (batch and body.model is None) or body.model not in (None, f"models/{name}"):
            said = f"requests[{at}].model: the model must be models/{name}, as in the URL"
            raise Refused(invalid(f"* BatchEmbedContentsRequest.{said}"))
        if not body.content.parts or any(part.text is None for part in body.content.parts):
            raise Refused(invalid("The model only takes text."))
        if _length(body) > DIMENSIONS:
            raise Refused(invalid(f"output_dimensionality must be at most {DIMENSIONS}."))
        if body.title is not None and body.task_type != "RETRIEVAL_DOCUMENT":
            raise Refused(invalid("title is only supported with task_type RETRIEVAL_DOCUMENT."))
    return Asked((), identify(data)), Embedding(bodies, batch=batch)


def _text(body: EmbedBody) -> str:
    return " ".join(part.text or "" for part in body.content.parts)


def _length(body: EmbedBody) -> int:
    return body.output_dimensionality or DIMENSIONS
