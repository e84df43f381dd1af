"""`POST /v1/messages` and `POST /v1/messages/count_tokens`."""

from nexusflow.endpoints.address import path_of, require_post
from nexusflow.endpoints.conversation import Conversation, Routed
from nexusflow.endpoints.counting import answer_count
from nexusflow.endpoints.surface import Call
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.usage import Usage
from nexusflow.protocols.anthropic import count_tokens, headers
from nexusflow.protocols.anthropic.dialect import MESSAGES

_COUNT = b"/count_tokens"


class AnthropicMessages(Conversation):
    """The Messages surface of one artifact."""

    dialect = MESSAGES
    endpoint = "messages"
    paths = frozenset((b"/v1/messages", b"/v1/v1/messages"))
    counters = frozenset(path + _COUNT for path in paths)

    async def serve(self, call: Call) -> None:
        """See `Conversation.serve`; Anthropic's SDK reads our id from a header of its own (L55)."""
        call.client.headers.append((b"request-id", call.exchange.request_id.encode()))
        headers.version(_first(call, b"anthropic-version"))
        if not path_of(call).endswith(_COUNT):
            await super().serve(call)
            return
        require_post(call, self.counters)
        await answer_count(self, call, _read_count, _write_count)

    def extra_head(self, call: Call, routed: Routed) -> bytes:
        """The caller's version and the betas that the lane allows go on."""
        version = headers.version(_first(call, b"anthropic-version"))
        betas = headers.betas(value for name, value in call.scope["headers"] if name == b"anthropic-beta")
        lines = headers.identity(version, betas, routed.lane.destination.capabilities)
        return headers.lines(lines)


def _read_count(body: bytes, model: str) -> ChatCall:
    return count_tokens.read(body, model=model)


def _write_count(usage: Usage) -> bytes:
    return count_tokens.write_answer(usage.total_input)


def _first(call: Call, wanted: bytes) -> bytes | None:
    return next((value for name, value in call.scope["headers"] if name == wanted), None)
