"""Caches: nothing is remembered, and yet a conversation reads what it wrote (protocols 1.2.5, 1.3, 1.4.4, 1.5.4)."""

from typing import Any

from tests.support.simulated import Simulated

SYSTEM = "one two three"
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def block(text: str, mark: Any = None) -> dict[str, Any]:
    return {"type": "text", "text": text, **({"cache_control": mark} if mark else {})}


def used(body: dict[str, Any], **more: Any) -> tuple[int, int, int, int]:
    """Tokens that were new, written for five minutes, written for an hour, and read."""
    usage = Simulated().message(body, **more).json["usage"]
    split = usage["cache_creation"]
    assert usage["cache_creation_input_tokens"] == sum(split.values())
    return (
        usage["input_tokens"],
        split["ephemeral_5m_input_tokens"],
        split["ephemeral_1h_input_tokens"],
        usage["cache_read_input_tokens"],
    )


def test_the_first_turn_writes_and_the_next_one_reads() -> None:
    first = [{"role": "user", "content": [block("hello", MARK)]}]
    assert used({"system": [block(SYSTEM, MARK)], "messages": first}) == (0, 10, 0, 0)
    second = [*first, {"role": "assistant", "content": "hi"}, {"role": "user", "content": [block("more words", MARK)]}]
    assert used({"system": [block(SYSTEM, MARK)], "messages": second}) == (0, 9, 0, 10)
    assert used({"system": [block(SYSTEM, MARK)], "messages": [*second[:2], {"role": "user", "content": "x"}]}) == (
        8,
        0,
        0,
        10,
    )


def test_what_is_not_marked_is_neither_written_nor_read() -> None:
    assert used({"system": SYSTEM, "messages": [{"role": "user", "content": "hello"}]}) == (10, 0, 0, 0)
    assert used({"system": [block(SYSTEM, MARK)], "messages": [{"role": "user", "content": "hello"}]}) == (4, 6, 0, 0)


def test_an_hour_and_five_minutes_are_told_apart() -> None:
    """The two times that Anthropic offers."""
    messages = [{"role": "user", "content": [block("hello", MARK)]}]
    assert used({"system": [block(SYSTEM, HOUR)], "messages": messages}) == (0, 4, 6, 0)


def test_a_mark_on_the_whole_request_is_one_on_its_last_block() -> None:
    messages = [{"role": "user", "content": "hello"}]
    assert used({"system": SYSTEM, "messages": messages, "cache_control": MARK}) == (0, 10, 0, 0)


def test_a_mark_on_a_tool_covers_the_tools() -> None:
    tool = {"name": "f", "input_schema": {"type": "object"}}
    messages = [{"role": "user", "content": "hello"}]
    new, written, _, _ = used({"tools": [{**tool, "cache_control": MARK}], "messages": messages})
    assert new == 4
    assert written > 0


def test_breakpoints_of_openai() -> None:
    point = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "one two", **point}]}]}
    usage = Simulated().chat(body, model="thinker").json["usage"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 5}
    assert Simulated().chat(body).json["error"]["param"] == "prompt_cache_breakpoint"
    long = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    items = [{"role": "user", "content": [{"type": "input_text", "text": "one two", **long}]}]
    details = Simulated().respond({"input": items}, model="thinker").json["usage"]["input_tokens_details"]
    assert details["cache_write_tokens_details"] == {"ttl_30m_tokens": 0, "ttl_12h_tokens": 5}


def test_a_model_may_be_told_what_was_cached() -> None:
    """`chat@cached=3,written=2`, the same on every form, and the sums hold."""
    provider, model = Simulated(), "chat@cached=3,written=2"
    asked = {"messages": [{"role": "user", "content": "one two three four five"}]}
    chat = provider.chat(asked, model=model).json["usage"]
    assert (chat["prompt_tokens"], chat["prompt_tokens_details"]) == (8, {"cached_tokens": 3, "cache_write_tokens": 2})
    assert used(asked, model=model) == (3, 2, 0, 3)
    response = provider.respond({"input": "one two three four five"}, model=model).json["usage"]
    assert response["input_tokens"] == 8
    assert response["input_tokens_details"]["cached_tokens"] == 3
    body = {"contents": [{"role": "user", "parts": [{"text": "one two three four five"}]}]}
    gemini = provider.generate(body, model).json["usageMetadata"]
    assert (gemini["promptTokenCount"], gemini["cachedContentTokenCount"]) == (8, 3)
    assert used({"messages": [{"role": "user", "content": "x"}]}, model="chat@cached=900,written=900") == (0, 0, 0, 4)
