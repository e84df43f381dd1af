"""The events of a Responses stream (protocols 1.3)."""

from collections.abc import Iterator
from typing import Any, Literal

from nexusflow.simulator import likely
from nexusflow.simulator.form import Call, Event
from nexusflow.simulator.tokens import pieces


class Stream:
    """Makes and numbers the events of one stream, from `number` on."""

    def __init__(self, number: int = 0) -> None:
        self._number = number

    def event(self, name: str, kind: Literal["frame", "delta", "end"] = "frame", /, **more: Any) -> Event:
        """The next event."""
        self._number += 1
        return Event({"type": name, "sequence_number": self._number - 1, **more}, kind, name)

    def item(self, call: Call, index: int, item: dict[str, Any]) -> Iterator[Event]:
        """The events of one output item."""
        opened = {**item, "status": "in_progress"} if "status" in item else dict(item)
        opened |= {name: empty for name, empty in _OPENED.items() if name in item}
        yield self.event("response.output_item.added", output_index=index, item=opened)
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            yield from self._message(call, place, item["content"][0])
        elif item["type"] == "reasoning":
            yield from self._reasoning(place, item["summary"])
        else:
            yield from self._called(place, item)
        yield self.event("response.output_item.done", output_index=index, item=item)

    def _message(self, call: Call, place: dict[str, Any], part: dict[str, Any]) -> Iterator[Event]:
        place = {**place, "content_index": 0}
        name = "text" if part["type"] == "output_text" else "refusal"
        empty: dict[str, Any] = {"logprobs": []} if name == "text" else {}
        yield self.event("response.content_part.added", **place, part={**part, name: "", **empty})
        kind, asked = ("output_text" if name == "text" else "refusal"), call.asked.chances
        for piece in call.pieces(part[name]):
            more = empty if asked is None or not empty else {"logprobs": likely.openai(piece, asked)}
            yield self.event(f"response.{kind}.delta", "delta", **place, delta=piece, **more)
        more = {"logprobs": part["logprobs"]} if name == "text" else {}
        yield self.event(f"response.{kind}.done", **place, **{name: part[name]}, **more)
        yield self.event("response.content_part.done", **place, part=part)

    def _reasoning(self, place: dict[str, Any], summary: list[dict[str, str]]) -> Iterator[Event]:
        for number, part in enumerate(summary):
            place = {**place, "summary_index": number}
            yield self.event("response.reasoning_summary_part.added", **place, part={**part, "text": ""})
            for piece in pieces(part["text"]):
                yield self.event("response.reasoning_summary_text.delta", "delta", **place, delta=piece)
            yield self.event("response.reasoning_summary_text.done", **place, text=part["text"])
            yield self.event("response.reasoning_summary_part.done", **place, part=part)

    def _called(self, place: dict[str, Any], item: dict[str, Any]) -> Iterator[Event]:
        custom = item["type"] == "custom_tool_call"
        field, name = ("input", "custom_tool_call_input") if custom else ("arguments", "function_call_arguments")
        for piece in pieces(item[field]):
            yield self.event(f"response.{name}.delta", "delta", **place, delta=piece)
        named = {} if custom else {"name": item["name"]}
        yield self.event(f"response.{name}.done", **place, **{field: item[field]}, **named)


# What an item has of each field before its parts arrive.
_OPENED: dict[str, Any] = {"content": [], "summary": [], "arguments": "", "input": ""}
