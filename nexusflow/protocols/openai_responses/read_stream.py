"""A provider's Responses stream as canonical events (protocols 1.3, 2.9)."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Refusal, Text, Thinking, ToolCall
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.events import Done, Event, Failed, Finished, Started, UsageSeen
from nexusflow.protocols.openai_responses import errors, identity_reply, read_reply
from nexusflow.protocols.openai_responses.identity_stream import MALFORMED, TOO_LARGE, TRUNCATED
from nexusflow.protocols.openai_responses.read_parts import citation, logprobs
from nexusflow.protocols.openai_responses.read_slots import Row, Slot
from nexusflow.protocols.openai_responses.replayed import events as events_of
from nexusflow.protocols.openai_responses.tables import finish_of
from nexusflow.protocols.openai_responses.wire_items import ItemForm, PartForm, formed, item_form, part_form, raw_list
from nexusflow.protocols.openai_responses.wire_stream import EventForm, event_form
from nexusflow.wire import jsonedit, sse
from nexusflow.wire.jsonedit import Fields

EMPTY = Problem(kind=Kind.UPSTREAM, message="The provider's answer is empty.")
MAX_BODY_BYTES = 64 * 1024 * 1024
_WHOLE = -1
"""The part number of an item that is one part, such as a call."""
_NEVER = 1_000_000
"""Beyond every place that a provider gives."""


class StreamReader:
    """Feed it pieces, then close it. Broken and truncated streams end in `Failed`; afterwards there are no events."""

    def __init__(self, to: Destination) -> None:
        self._to = to
        self._splitter = sse.Splitter()
        self._row = Row()
        self._slots: dict[tuple[int, int], Slot] = {}
        self._finished: set[int] = set()
        self._places: dict[str, int] = {}
        self._reasoning_ids: dict[int, str | None] = {}
        self._fed = False
        self._started = False
        self._over = False
        self._tools = False
        self._refused = False
        self._searches = 0
        self._body: bytearray | None = None
        self._handlers: dict[str, Callable[[EventForm], None]] = {
            "response.output_text.delta": self._text,
            "response.refusal.delta": self._refusal,
            "response.output_text.annotation.added": self._annotation,
            "response.function_call_arguments.delta": self._input,
            "response.custom_tool_call_input.delta": self._input,
            "response.reasoning_summary_text.delta": self._summary,
            "response.reasoning_text.delta": self._reasoning,
            "response.output_item.added": self._item_added,
            "response.content_part.added": self._part_added,
            "response.content_part.done": self._part_done,
            "response.output_item.done": self._item_done,
            "response.completed": self._end,
            "response.incomplete": self._end,
            "response.failed": self._fail,
            "error": self._error,
        }

    def feed(self, piece: bytes) -> list[Event]:
        """The events that `piece` completes."""
        if self._over:
            return []
        if not self._fed:
            self._fed = bool(piece.strip())
            if piece.lstrip().startswith(b"{"):
                self._body = bytearray()
        if self._body is not None:
            return self._keep_body(self._body, piece)
        found = self._splitter.named(piece)
        if found is None:
            try:
                found = [event.data for event in self._splitter.feed(piece) if event.data is not None]
            except sse.EventTooLarge:
                return self._broken(TOO_LARGE)
        return self._read(found)

    def close(self) -> list[Event]:
        """At the end of the body: the last events; an answer without its terminal event is truncated (T102)."""
        if self._over:
            return []
        if self._body is not None:
            return self._read_body(bytes(self._body))
        said = self._read([event.data for event in self._splitter.close() if event.data is not None])
        if self._over and (not said or said[-1] != Failed(MALFORMED)):
            return said
        if said and said[-1] == Failed(MALFORMED):
            said.pop()  # what the end cut in half says nothing more than that it was cut
        return [*said, *self._broken(TRUNCATED)]

    def _read(self, found: list[bytes]) -> list[Event]:
        for data in found:
            if data == b"[DONE]":
                self._take(Failed(TRUNCATED))
                break
            try:
                event = event_form(data)
                if event.error is not None and event.type != "error":
                    self._error(event)
                else:
                    handle = self._handlers.get(event.type)
                    if not self._started:
                        self._start(event)
                    if handle is not None:
                        handle(event)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._take(Failed(MALFORMED))
            except RequestRefused as refused:
                self._take(Failed(Problem(kind=Kind.UPSTREAM, message=_malformed(refused))))
            if self._over:
                break
        return self._said()

    def _said(self) -> list[Event]:
        said = self._row.events
        self._row.events = []
        return said

    def _take(self, event: Event) -> None:
        self._over = self._over or isinstance(event, Done | Failed)
        self._row.events.append(event)

    def _broken(self, problem: Problem) -> list[Event]:
        self._take(Failed(problem))
        return self._said()

    def _start(self, event: EventForm) -> None:
        """The first event, which should announce the response; one that fails at once announces nothing."""
        if event.type in ("error", "response.failed"):
            return
        self._started = True
        head = read_reply.head(event.response) if event.response else read_reply.Head()
        self._take(Started(id=head.id, model=head.model, created=head.created))

    def _text(self, event: EventForm) -> None:
        slot = self._slots.get((event.output_index, event.content_index))
        if slot is None:
            slot = self._open(event.output_index, event.content_index, Text(text=""))
        self._row.text(slot, _delta(event), logprobs(event.logprobs) if event.logprobs else None)

    def _refusal(self, event: EventForm) -> None:
        self._row.text(self._part(event, Refusal("")), _delta(event))

    def _annotation(self, event: EventForm) -> None:
        if event.annotation:
            self._row.cite(self._part(event, Text(text="")), citation(event.annotation, "annotation"))

    def _input(self, event: EventForm) -> None:
        slot = self._slots.get((event.output_index, _WHOLE))
        if slot is not None:
            self._row.text(slot, _delta(event))

    def _summary(self, event: EventForm) -> None:
        self._think(event, ("summary", event.summary_index))

    def _reasoning(self, event: EventForm) -> None:
        self._think(event, ("text", event.content_index))

    def _think(self, event: EventForm, place: tuple[str, int]) -> None:
        """Summaries and raw reasoning alike (T95), an empty line between two pieces."""
        slot = self._slots.get((event.output_index, _WHOLE))
        if slot is None:
            id_ = self._reasoning_ids.get(event.output_index)
            slot = self._open(event.output_index, _WHOLE, Thinking(text="", summary=place[0] == "summary", id=id_))
        text = _delta(event)
        if text and slot.length and slot.place != place:
            text = "\n\n" + text
        slot.place = place
        self._row.text(slot, text)

    def _part(self, event: EventForm, empty: Text | Refusal) -> Slot:
        slot = self._slots.get((event.output_index, event.content_index))
        return slot if slot is not None else self._open(event.output_index, event.content_index, empty)

    def _open(self, item: int, number: int, part: Text | Refusal | Thinking | ToolCall) -> Slot:
        self._refused = self._refused or isinstance(part, Refusal)
        self._tools = self._tools or isinstance(part, ToolCall)
        slot = self._slots[item, number] = self._row.begin(part)
        return slot

    def _item_added(self, event: EventForm) -> None:
        if not event.item or bytes(event.item) == b"null":
            return
        form = formed(item_form, event.item, "item")
        self._places[form.id or form.call_id or ""] = event.output_index
        if form.type in ("function_call", "custom_tool_call"):
            call = read_reply.call(form)
            slot = self._open(event.output_index, _WHOLE, msgspec.structs.replace(call, arguments=""))
            self._row.text(slot, call.arguments)
        elif form.type == "reasoning":
            # It opens with its first word: only that tells a summary from the reasoning itself.
            self._reasoning_ids[event.output_index] = form.id

    def _part_added(self, event: EventForm) -> None:
        form = formed(part_form, event.part, "part") if event.part else PartForm()
        if form.type in ("output_text", "refusal"):
            self._part(event, Refusal("") if form.type == "refusal" else Text(text=""))

    def _part_done(self, event: EventForm) -> None:
        form = formed(part_form, event.part, "part") if event.part else PartForm()
        if form.type in ("output_text", "refusal"):
            self._message_part(event.output_index, event.content_index, form)

    def _message_part(self, item: int, number: int, form: PartForm) -> None:
        """A part of a message as it ended: what no delta brought is made up for."""
        slot = self._slots.get((item, number))
        new = slot is None
        if slot is None:
            slot = self._open(item, number, Refusal("") if form.type == "refusal" else Text(text=""))
        text = (form.refusal if form.type == "refusal" else form.text) or ""
        if slot.length == 0:
            self._row.text(slot, text, (logprobs(form.logprobs) or None) if new else None)
        elif len(text) > slot.length:
            self._row.text(slot, text[slot.length :])
        for raw in (form.annotations or ())[slot.cited :]:
            self._row.cite(slot, citation(raw, "annotation"))
        self._row.end(slot)

    def _item_done(self, event: EventForm) -> None:
        if event.item and bytes(event.item) != b"null":
            form = formed(item_form, event.item, "item")
            self._places[form.id or form.call_id or ""] = event.output_index
            self._finish_item(event.output_index, event.item, form)

    def _finish_item(self, index: int, raw: Raw, form: ItemForm) -> None:
        if index in self._finished:
            return
        self._finished.add(index)
        if form.type == "message":
            for number, part in read_reply.message_forms(form, "item"):
                self._message_part(index, number, part)
            self._end_slots(index)
        elif form.type == "reasoning":
            self._finish_reasoning(index, form)
        elif form.type in ("function_call", "custom_tool_call"):
            self._finish_call(index, form)
        else:
            self._searches += form.type == "web_search_call" and form.status == "completed"
            for whole in read_reply.item_parts(form, raw, self._to, "item"):
                self._row.end(self._row.begin(whole))

    def _finish_reasoning(self, index: int, form: ItemForm) -> None:
        thinking = read_reply.thinking(form, self._to, "item")
        slot = self._slots.get((index, _WHOLE))
        if slot is None:
            slot = self._open(index, _WHOLE, Thinking(text="", summary=thinking.summary, id=thinking.id))
        if slot.length == 0:
            self._row.text(slot, thinking.text)
        self._row.end(slot, thinking.signature)

    def _finish_call(self, index: int, form: ItemForm) -> None:
        call = read_reply.call(form)
        slot = self._slots.get((index, _WHOLE))
        if slot is None:
            slot = self._open(index, _WHOLE, msgspec.structs.replace(call, arguments=""))
        self._row.text(slot, call.arguments[slot.length :])
        self._row.end(slot)

    def _end_slots(self, index: int) -> None:
        for (item, _), slot in self._slots.items():
            if item == index:
                self._row.end(slot)

    def _end(self, event: EventForm) -> None:
        """The terminal event: whatever of its output was not streamed comes now."""
        fields = _response(event)
        output = fields.get("output")
        if output is not None and bytes(output).startswith(b"["):
            self._finish_missing(formed(raw_list, output, "output"))
        self._row.end_all()
        head = read_reply.head(event.response)
        if event.type == "response.completed" and not self._row.count:
            self._take(Failed(EMPTY))
            return
        self._see_usage(fields)
        status = "incomplete" if event.type == "response.incomplete" else "completed"
        self._take(Finished(finish_of(status, head.reason, tools=self._tools, refused=self._refused)))
        self._take(Done(tier=head.service_tier))

    def _finish_missing(self, output: list[Raw]) -> None:
        """Items are told apart by their ids: their places may have gaps in the stream, which the output closes."""
        if len(output) <= len(self._finished):
            return
        for place, raw in enumerate(output):
            form = formed(item_form, raw, "item")
            self._finish_item(self._places.get(form.id or form.call_id or "", place + _NEVER), raw, form)

    def _fail(self, event: EventForm) -> None:
        """A failed response was billed as far as it came (T46)."""
        fields = _response(event)
        if self._started:
            self._see_usage(fields)
        self._take(Failed(errors.of_failed(fields.get("error"))))

    def _error(self, event: EventForm) -> None:
        told = event.error if event.error is not None else {"code": event.code, "message": event.message}
        self._take(Failed(errors.read_in_band(msgspec.json.encode(told))))

    def _see_usage(self, fields: Fields) -> None:
        usage = identity_reply.usage_of(fields)
        if usage is None:
            return
        if usage.n_web_search is None and self._searches:
            usage = msgspec.structs.replace(usage, n_web_search=self._searches)
        self._take(UsageSeen(usage))

    def _keep_body(self, body: bytearray, piece: bytes) -> list[Event]:
        """A whole answer although a stream was asked for (protocols 2.10)."""
        body += piece
        return self._broken(TOO_LARGE) if len(body) > MAX_BODY_BYTES else []

    def _read_body(self, body: bytes) -> list[Event]:
        try:
            reply = read_reply.read(body, self._to)
        except RequestRefused as refused:
            return self._broken(refused.problem)
        self._over = True
        return list(events_of(reply))


def _delta(event: EventForm) -> str:
    """The text of a delta; only the events of hosted tools have deltas of another kind."""
    if event.delta is None:
        return ""
    if not isinstance(event.delta, str):
        raise RequestRefused(MALFORMED)
    return event.delta


def _response(event: EventForm) -> Fields:
    try:
        return jsonedit.split(bytes(event.response))
    except jsonedit.InvalidJSON:
        raise RequestRefused(MALFORMED) from None


def _malformed(refused: RequestRefused) -> str:
    if refused.problem.kind is Kind.UPSTREAM:
        return refused.problem.message
    return f"The provider sent an event that is not understood: {refused.problem.message}"
