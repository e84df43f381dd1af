"""Counting a prompt's tokens over three protocols: the provider's own count where it has one, else an estimate.

A caller asks often and must not be held up (protocols 1.9): a provider that fails to count is no error either.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nexusflow import tokens
from nexusflow.endpoints.address import find_model, not_offered
from nexusflow.endpoints.conversation import ESTIMATED, Conversation
from nexusflow.endpoints.lanes import SIMULATED
from nexusflow.endpoints.surface import Call
from nexusflow.flow import apis, attempt, media, route
from nexusflow.flow.admit import client_address, permit
from nexusflow.flow.client import answer
from nexusflow.flow.served import ServedLane
from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall, Origin
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.usage import Usage
from nexusflow.protocols.anthropic import count_tokens as messages
from nexusflow.protocols.dialects import DIALECTS
from nexusflow.protocols.gemini import count_tokens as contents
from nexusflow.protocols.openai_responses import input_tokens as input_

_PASSED_ON = frozenset((Kind.PARAM, Kind.CONTEXT, Kind.SIZE, Kind.CONTENT))


@dataclass(frozen=True, slots=True)
class Counter:
    """How one protocol is asked to count, and says how many."""

    path: Callable[[Destination], str]
    ask: Callable[[ChatCall, Destination, Losses], bytes]
    told: Callable[[bytes], Usage]


def _plain(told: Callable[[bytes], int]) -> Callable[[bytes], Usage]:
    return lambda body: Usage(input_text=told(body))


COUNTERS: dict[Origin, Counter] = {
    "anthropic/messages": Counter(lambda to: messages.PATH, messages.write, _plain(messages.read_answer)),
    "google/generate-content": Counter(contents.path, contents.write, contents.read_answer),
    "openai/responses": Counter(lambda to: input_.PATH, input_.ask, _plain(input_.answer)),
}
"""Chat has no counter."""


async def answer_count(
    surface: Conversation, call: Call, read: Callable[[bytes, str], ChatCall], write: Callable[[Usage], bytes]
) -> None:
    """Count the request of `call`, read by `read`, and answer in the form of `write`."""
    body = write(await _count(surface, call, read))
    await answer(call.send, 200, body, call.client.headers)


async def _count(surface: Conversation, call: Call, read: Callable[[bytes, str], ChatCall]) -> Usage:
    incoming = await surface.receive(call)
    served = find_model(surface.models, incoming.name)
    if surface.dialect.id not in served.offers:
        raise not_offered(served, surface.dialect.id)
    permit(incoming.key, served.model.id, surface.dialect.id, "count", client_address(call.scope))
    said = read(incoming.body, served.model.id)
    lane = route.choose(served, surface.runtime.fleet, incoming.key.id, len(incoming.body))[0]
    if lane.provider.simulated:
        call.client.headers.append(SIMULATED)
    upstream = surface.dialect.id if surface.dialect.id in lane.upstreams else lane.usual
    counter = COUNTERS.get(upstream)
    found = await _asked(call, surface, lane, upstream, counter, said) if counter is not None else None
    if found is None:
        call.client.headers.append(ESTIMATED)
        return Usage(input_text=tokens.estimate(said), source="estimated")
    return found


async def _asked(
    call: Call, surface: Conversation, lane: ServedLane, upstream: Origin, counter: Counter, said: ChatCall
) -> Usage | None:
    """The provider's count; None when it does not say. A prompt that it refuses is the caller's to know."""
    to = lane.destination
    try:
        said = await media.resolve(said, to.capabilities, upstream, surface.runtime.fetcher)
        body = counter.ask(said, to, Losses())
        head = apis.bridged_head(upstream, body)
        target, errors = lane.at(counter.path(to)), DIALECTS[upstream].errors
        return counter.told(await attempt.fetch(call.exchange, lane, target, errors, body, head))
    except RequestRefused as refused:
        if refused.problem.kind in _PASSED_ON:
            raise
        return None
