"""A provider's whole Responses answer in canonical form (protocols 2.9)."""

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Candidate, Data, Logprob, Media, Opaque, Part, Refusal, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.reply import ChatReply
from nexusflow.protocols.openai_responses import identity_reply
from nexusflow.protocols.openai_responses.read_parts import citation, logprobs
from nexusflow.protocols.openai_responses.tables import ORIGIN, finish_of
from nexusflow.protocols.openai_responses.wire_items import ItemForm, PartForm, formed, item_form, part_form, raw_list
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields


class _Reason(Struct, frozen=True):
    reason: str | None = None


class Head(Struct, frozen=True):
    """The members of a response object beside its output."""

    id: str | None = None
    model: str | None = None
    created_at: float | None = None
    status: str | None = None
    service_tier: str | None = None
    incomplete_details: _Reason | None = None

    @property
    def created(self) -> int | None:
        """Whole seconds since 1970."""
        return int(self.created_at) if self.created_at is not None else None

    @property
    def reason(self) -> str | None:
        """Why it is incomplete."""
        return self.incomplete_details.reason if self.incomplete_details is not None else None


_head = msgspec.json.Decoder(Head).decode


def head(response: Raw) -> Head:
    """What a response object says of itself. Raises `RequestRefused`."""
    return formed(_head, response, "response")


def read(body: bytes, to: Destination) -> ChatReply:
    """The canonical answer.

    Raises `RequestRefused` (E-UPSTREAM or what the provider told) for one that is malformed, failed, not finished, or
    without any output.
    """
    fields = identity_reply.opened(body)
    try:
        return _read(body, fields, to)
    except RequestRefused as refused:
        # What a reader of requests blames on the caller is the provider's fault here.
        raise refuse(Kind.UPSTREAM, f"The provider's answer is malformed: {refused.problem.message}") from None


def _read(body: bytes, fields: Fields, to: Destination) -> ChatReply:
    about = head(Raw(body))
    if about.status in ("queued", "in_progress", "cancelled"):
        raise refuse(Kind.UPSTREAM, f"it is {about.status}")
    parts: list[Part] = []
    found: list[Logprob] = []
    for at, raw in enumerate(formed(raw_list, fields["output"], "output")):
        form = formed(item_form, raw, f"output[{at}]")
        parts.extend(item_parts(form, raw, to, f"output[{at}]"))
        found.extend(item_logprobs(form, f"output[{at}]"))
    finish = finish_of(
        about.status,
        about.reason,
        tools=any(isinstance(part, ToolCall) for part in parts),
        refused=any(isinstance(part, Refusal) for part in parts),
    )
    return ChatReply(
        origin=ORIGIN,
        candidates=(Candidate(parts=tuple(parts), finish=finish, logprobs=tuple(found) or None),),
        id=about.id,
        model=about.model,
        created=about.created,
        usage=identity_reply.usage_of(fields),
        tier=about.service_tier,
    )


def item_parts(form: ItemForm, raw: Raw, to: Destination, path: str) -> list[Part]:
    """The parts that one output item is."""
    if form.type == "message":
        return [message_part(one, f"{path}.content[{at}]") for at, one in message_forms(form, path)]
    if form.type == "reasoning":
        return [thinking(form, to, path)]
    if form.type in ("function_call", "custom_tool_call"):
        return [call(form)]
    image = generated(form)
    if image is not None:
        return [image]
    return [Unknown(origin=ORIGIN, type=form.type or "", raw=raw)]


def message_forms(form: ItemForm, path: str) -> list[tuple[int, PartForm]]:
    """The content of a message, numbered."""
    if bytes(form.content) in (b"", b"null"):
        return []
    text = jsonedit.as_text(form.content)
    if text is not None:
        return [(0, PartForm(type="output_text", text=text))]
    parts = formed(raw_list, form.content, f"{path}.content")
    return [(at, formed(part_form, raw, f"{path}.content[{at}]")) for at, raw in enumerate(parts)]


def message_part(form: PartForm, path: str) -> Part:
    """A text or a refusal."""
    if form.type == "refusal":
        return Refusal(form.refusal or "")
    found = enumerate(form.annotations or ())
    return Text(text=form.text or "", citations=tuple(citation(one, f"{path}.annotations[{at}]") for at, one in found))


def item_logprobs(form: ItemForm, path: str) -> list[Logprob]:
    """The log-probabilities of a message's texts."""
    if form.type != "message" or b'"logprobs"' not in bytes(form.content):
        return []
    return [one for _, part in message_forms(form, path) for one in logprobs(part.logprobs)]


def thinking(form: ItemForm, to: Destination, path: str) -> Thinking:
    """Reasoning: summaries and raw text alike, as far as the provider shows any (T95)."""
    summaries = [part.text for part in form.summary or () if part.text]
    texts = [part.text for _, part in message_forms(form, path) if part.text]
    return Thinking(
        text="\n\n".join((*summaries, *texts)),
        signature=state(form.encrypted_content, to),
        summary=bool(summaries) and not texts,
        id=form.id,
    )


def state(encrypted: str | None, to: Destination) -> Opaque | None:
    """Hidden reasoning, for the next turn."""
    return Opaque(ORIGIN, to.family, encrypted) if encrypted else None


def call(form: ItemForm) -> ToolCall:
    """A call of one of the caller's tools."""
    custom = form.type == "custom_tool_call"
    given = form.input if custom else form.arguments
    text = jsonedit.as_text(given) if bytes(given) else ""
    if text is None:
        text = "" if bytes(given) == b"null" else bytes(given).decode()
    if not form.name or not (form.call_id or form.id):
        raise refuse(Kind.UPSTREAM, "a tool call has no name or no id")
    return ToolCall(id=form.call_id or form.id or "", name=form.name, arguments=text, custom=custom)


def generated(form: ItemForm) -> Media | None:
    """A generated image, when it is there."""
    if form.type != "image_generation_call" or not bytes(form.result):
        return None
    data = jsonedit.as_text(form.result)
    return Media(kind="image", source=Data("image/png", data)) if data else None
