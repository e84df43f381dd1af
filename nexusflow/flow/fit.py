"""How well each lane carries one request (`prefer: identity`): found out by translating it, before it is sent anywhere.

What a lane would have to fetch first is counted as one loss, and is not fetched for this.
"""

from collections.abc import Callable, Mapping, Sequence

from nexusflow.flow import apis, media
from nexusflow.flow.bridge import refuse_losses
from nexusflow.flow.served import ServedLane
from nexusflow.ir.chat import ChatCall, Origin
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import OnLoss
from nexusflow.protocols.dialects import DIALECTS

TRANSLATED = 1_000
"""Behind every lane that passes the client's own bytes on, whatever hints it leaves out."""

Name = tuple[str, str]
"""A lane, by its provider and the model's name there."""
Fits = Mapping[Name, int]
"""The lanes that can take a request: the smaller the number, the better."""


def name_of(lane: ServedLane) -> Name:
    """What a lane is known by."""
    return (lane.provider.id, lane.destination.model)


def fits(
    lanes: Sequence[ServedLane],
    upstream: Callable[[ServedLane], Origin | None],
    untranslated: Callable[[ServedLane, Losses], None],
    read: Callable[[], ChatCall],
    on_loss: OnLoss,
) -> Fits:
    """How well each of `lanes` carries a request; those that cannot take it are not in it.

    `upstream` is the protocol that a request is translated to, or None where it goes as it is; `untranslated` notes
    what is left out even then; `read` gives the request in canonical form, and is called once at most.
    """
    call: ChatCall | None = None
    found: dict[Name, int] = {}
    for lane in lanes:
        losses, protocol = Losses(), upstream(lane)
        try:
            if protocol is None:
                untranslated(lane, losses)
            else:
                call = call or read()
                _translate(call, lane, protocol, losses)
            if on_loss == "reject":
                refuse_losses(losses)
        except RequestRefused:
            continue
        found[name_of(lane)] = len(list(losses)) + (TRANSLATED if protocol is not None else 0)
    return found


def _translate(call: ChatCall, lane: ServedLane, usual: Origin, losses: Losses) -> None:
    upstream, capabilities = apis.interface(lane, call, usual), lane.destination.capabilities
    if media.needed(call, capabilities, upstream):
        losses.change("media", "fetched")
        return
    DIALECTS[upstream].write_request.write(call, lane.destination, losses)
