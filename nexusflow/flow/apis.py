"""What a call needs of its upstream interface: which of OpenAI's two, and Anthropic's version (protocols 2.2, 2.9).

Where a provider serves both (`openai_api: auto`), a function tool while reasoning is active is refused on Chat, and an
unset effort counts as active; only an explicit `none` or a call without function tools may stay there.
"""

from collections.abc import Iterable

from nexusflow.flow.served import CHAT, RESPONSES, ServedLane
from nexusflow.ir.chat import ChatCall, Origin, Tool
from nexusflow.protocols.anthropic import headers
from nexusflow.protocols.openai_chat.wire import ChatRequest


def undecided(lane: ServedLane) -> bool:
    """Whether it depends on the call."""
    return lane.usual == CHAT and RESPONSES in lane.upstreams and lane.destination.capabilities.openai_api == "auto"


def interface(lane: ServedLane, call: ChatCall, usual: Origin) -> Origin:
    """The protocol to translate `call` to, where `usual` is what the lane is spoken to in."""
    return RESPONSES if undecided(lane) and needs_responses(call) else usual


def chat_needs_responses(request: ChatRequest) -> bool:
    """The rule on Chat's own request."""
    kinds: Iterable[str | None] = (tool.type for tool in request.tools or ())
    return request.reasoning_effort != "none" and any(kind in (None, "function") for kind in kinds)


def bridged_head(upstream: Origin, body: bytes) -> bytes:
    """The header lines that a translated call needs beside the lane's own."""
    return headers.lines(headers.bridged(body)) if upstream == "anthropic/messages" else b""


def needs_responses(call: ChatCall) -> bool:
    """The rule on a canonical call."""
    functions = any(isinstance(tool, Tool) and not tool.custom for tool in call.tools)
    return functions and call.reasoning.effort != "none"
