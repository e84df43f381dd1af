"""Responses: the response object, and the output items it consists of (protocols 1.3)."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import msgspec

from nexusflow.simulator import likely
from nexusflow.simulator.failure import Failure, Vendor
from nexusflow.simulator.form import Call, Event, Form
from nexusflow.simulator.openai.kept import Kept
from nexusflow.simulator.openai.responses_body import Body
from nexusflow.simulator.openai.responses_rules import ENCRYPTED
from nexusflow.simulator.openai.responses_stream import Stream
from nexusflow.simulator.openai.vendor import OPENAI
from nexusflow.simulator.reply import Reply
from nexusflow.simulator.seal import seal
from nexusflow.simulator.usage import Usage

INCOMPLETE = {"length": "max_output_tokens", "filter": "content_filter"}


class Responses(Form):
    """One request. What it answers is kept for `previous_response_id`, unless the request says not to."""

    vendor: ClassVar[Vendor] = OPENAI

    def __init__(self, body: Body, data: dict[str, Any], before: list[Any], kept: Kept) -> None:
        self._body, self._data, self._before, self._kept = body, data, before, kept
        self._created = int(time.time())

    def unary(self, call: Call) -> dict[str, Any]:
        replies = call.replies()
        output = self._output(call, replies)
        status, why = _status(replies)
        answer = self._response(call, status, output, incomplete_details=why, usage=call.usage(replies))
        if self._body.store is not False:
            self._kept.keep(answer, self._before, self._data.get("input"))
        return answer

    def events(self, call: Call) -> Iterator[Event]:
        stream, answer = Stream(), self.unary(call)
        so_far = call.usage(call.replies(), spoken=0) if call.repeats else None
        begun = {**answer, "status": "in_progress", "output": [], "usage": so_far, "completed_at": None}
        begun["incomplete_details"] = None
        yield stream.event("response.created", response=begun)
        yield stream.event("response.in_progress", response=begun)
        for index, item in enumerate(answer["output"]):
            yield from stream.item(call, index, item)
        yield stream.event(f"response.{answer['status']}", "end", response=answer)

    def usage(self, usage: Usage) -> dict[str, Any]:
        ttl = {"ttl_30m_tokens": usage.written - usage.written_longer, "ttl_12h_tokens": usage.written_longer}
        split = {"cache_write_tokens_details": ttl} if usage.written else {}
        return {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written, **split},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.thought},
            "total_tokens": usage.input + usage.output,
        }

    def failing(self, failure: Failure, call: Call, sent: Sequence[Event]) -> Event:
        said = self.vendor.error(failure, call.asked.identity)[1]["error"]
        code, message = said["code"] or said["type"], said["message"]
        stream = Stream(len(sent))
        if not sent:
            return stream.event("error", code=code, message=message, param=said["param"])
        done = [event.data["item"] for event in sent if event.name == "response.output_item.done"]
        spoken = sum(event.kind == "delta" for event in sent)
        failed = self._response(call, "failed", done, usage=call.usage(call.replies(), spoken=spoken))
        return stream.event("response.failed", response={**failed, "error": {"code": code, "message": message}})

    def _response(self, call: Call, status: str, output: list[Any], **more: Any) -> dict[str, Any]:
        """The object, with the request's own words echoed in it."""
        asked = msgspec.to_builtins(self._body)
        answer = {
            "id": f"resp_sim{call.asked.identity}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "completed_at": self._created if status == "completed" else None,
            "error": None,
            "incomplete_details": None,
            **{name: asked[name] for name in _ECHOED},
            **{name: asked[name] if asked[name] is not None else usual for name, usual in _USUAL.items()},
            "tools": self._data.get("tools") or [],
            "tool_choice": self._data.get("tool_choice") or "auto",
            "model": call.model,
            "output": output,
            **more,
        }
        if answer["service_tier"] in ("auto", None):
            answer["service_tier"] = "default"
        return answer if answer.get("usage") is not None else {**answer, "usage": None}

    def _output(self, call: Call, replies: list[Reply]) -> list[dict[str, Any]]:
        return [item for one in replies for item in self._items(call, one)]

    def _items(self, call: Call, one: Reply) -> Iterator[dict[str, Any]]:
        cut = "incomplete" if one.finish in INCOMPLETE else "completed"
        identity = call.asked.identity
        behind = f"simr{identity}" if one.thought else f"sim{identity}"
        if one.thought:
            summary = [{"type": "summary_text", "text": one.thought}] if call.asked.shows else []
            item: dict[str, Any] = {"id": f"rs_sim{identity}", "type": "reasoning", "summary": summary}
            if ENCRYPTED in (self._body.include or ()):
                item["encrypted_content"] = seal("responses", one.thought, "reasoning")
            yield item
        if one.text or (not one.calls and cut == "completed"):
            refuses = one.finish == "refusal"
            said = {"type": "refusal", "refusal": one.text}
            logprobs = [] if call.asked.chances is None else likely.openai(one.text, call.asked.chances)
            told = {"type": "output_text", "text": one.text, "annotations": [], "logprobs": logprobs}
            part = said if refuses else told
            yield {"id": f"msg_{behind}", "type": "message", "status": cut, "role": "assistant", "content": [part]}
        for at, made in enumerate(one.calls):
            named = {"call_id": f"call_{made.id}", "name": made.name}
            if made.custom:
                yield {"id": f"ctc_{behind}{at}", "type": "custom_tool_call", **named, "input": made.payload}
            else:
                item = {"id": f"fc_{behind}{at}", "type": "function_call", "status": cut, **named}
                yield {**item, "arguments": made.payload}


_ECHOED = (
    "instructions", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt", "prompt_cache_key",
    "safety_identifier", "service_tier", "user",
)  # fmt: skip
_USUAL: dict[str, Any] = {
    "background": False, "metadata": {}, "parallel_tool_calls": True, "reasoning": {"effort": None, "summary": None},
    "store": True, "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"}, "top_logprobs": 0,
    "top_p": 1.0, "truncation": "disabled",
}  # fmt: skip


def _status(replies: list[Reply]) -> tuple[str, dict[str, str] | None]:
    """The status of a response, and why it is incomplete where it is."""
    why = next((INCOMPLETE[one.finish] for one in replies if one.finish in INCOMPLETE), None)
    return ("completed", None) if why is None else ("incomplete", {"reason": why})
