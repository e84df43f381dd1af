"""Stored responses: conversations continued, read, listed, deleted and forgotten."""

import json
from typing import Any

import pytest
from msgspec import Raw

from nexusflow.ir.errors import RequestRefused
from nexusflow.protocols.openai_responses import errors, read_request
from nexusflow.responses import expand, keep
from nexusflow.responses.model import DAY_MS, Retention
from nexusflow.responses.table import ResponseTable
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields
from tests.support.stores import Store

NOW = 1_800_000_000_000
MINE, THEIRS = "key_mine", "key_theirs"


def fields(**members: Any) -> Fields:
    return jsonedit.split(json.dumps({"model": "m", **members}).encode())


def answer(id_: str, *output: Any, **members: Any) -> bytes:
    return json.dumps({"id": id_, "object": "response", "model": "m", "output": list(output), **members}).encode()


def message(id_: str, text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": id_, "role": "assistant", "status": "completed", "content": [part]}


def say(
    table: ResponseTable,
    id_: str,
    said: Any,
    *output: Any,
    previous: str | None = None,
    key: str = MINE,
    now: int = NOW,
) -> expand.Expanded:
    """One turn of a conversation, as the gateway takes it."""
    asked = fields(input=said, **({"previous_response_id": previous} if previous else {}))
    found = expand.resolve(table, asked, key, now)
    assert keep.keep(table, found, answer(id_, *(output or (message(f"msg_{id_}", f"re {id_}"),))), key, now)
    return found


def texts(found: expand.Expanded) -> list[str]:
    """What the model would be given, through the protocol's own reader."""
    call = read_request.read(found.body, model="m", stream=False)
    return [f"{turn.role}:{getattr(part, 'text', type(part).__name__)}" for turn in call.turns for part in turn.parts]


def refused(
    table: ResponseTable, key: str = MINE, now: int = NOW, **members: Any
) -> tuple[int, str | None, str | None]:
    with pytest.raises(RequestRefused) as caught:
        expand.resolve(table, fields(**members), key, now)
    problem = caught.value.problem
    return errors.status(problem), problem.code, problem.param


def test_a_conversation_is_continued(table: ResponseTable) -> None:
    say(table, "resp_1", "one")
    say(table, "resp_2", [{"role": "user", "content": "two"}], previous="resp_1")
    found = say(table, "resp_3", "three", previous="resp_2")
    assert texts(found) == ["user:one", "assistant:re resp_1", "user:two", "assistant:re resp_2", "user:three"]
    assert found.previous == "resp_2"
    assert "previous_response_id" not in found.fields
    other = expand.resolve(table, fields(input="else", previous_response_id="resp_1"), MINE, NOW)
    assert texts(other) == ["user:one", "assistant:re resp_1", "user:else"]


def test_tool_results_continue_the_call(table: ResponseTable) -> None:
    call = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "c",
        "name": "f",
        "arguments": "{}",
        "status": "completed",
    }
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "nx1.a.claude.c2ln"}
    say(table, "resp_1", "weather?", thought, call)
    output = {"type": "function_call_output", "call_id": "c", "output": "sunny"}
    found = expand.resolve(table, fields(input=[output], previous_response_id="resp_1"), MINE, NOW)
    assert texts(found) == ["user:weather?", "assistant:", "assistant:ToolCall", "user:ToolResult"]


def test_a_request_without_references_stays_as_it_is(table: ResponseTable) -> None:
    asked = fields(input=[{"role": "user", "content": "x", "id": "mine"}], temperature=1)
    assert not expand.wanted(asked)
    found = expand.resolve(table, asked, MINE, NOW)
    assert found.fields == asked
    assert [bytes(item) for item in found.input] == [b'{"role": "user", "content": "x", "id": "mine"}']


def test_items_can_be_referred_to(table: ResponseTable) -> None:
    say(table, "resp_1", "one")
    listed = json.loads(keep.list_input(table, "resp_1", MINE, NOW, {}))["data"]
    items = [
        {"type": "item_reference", "id": listed[0]["id"]},
        {"id": "msg_resp_1"},
        {"role": "user", "content": "two"},
    ]
    found = expand.resolve(table, fields(input=items), MINE, NOW)
    assert texts(found) == ["user:one", "assistant:re resp_1", "user:two"]
    assert refused(table, input=[{"type": "item_reference", "id": "msg_gone"}]) == (404, "item_not_found", "input")
    assert refused(table, THEIRS, input=items)[0] == 404


UNKNOWN = (400, "previous_response_not_found", "previous_response_id")


def test_a_foreign_id_is_an_unknown_id(table: ResponseTable) -> None:
    say(table, "resp_1", "one")
    assert refused(table, THEIRS, input="x", previous_response_id="resp_1") == UNKNOWN
    assert refused(table, input="x", previous_response_id="resp_none") == UNKNOWN
    for key, id_ in ((THEIRS, "resp_1"), (MINE, "resp_none")):
        for read in (keep.retrieve, keep.remove):
            with pytest.raises(RequestRefused, match="not found") as caught:
                read(table, id_, key, NOW)
            assert errors.status(caught.value.problem) == 404
        with pytest.raises(RequestRefused, match="not found"):
            keep.list_input(table, id_, key, NOW, {})
    assert table.load("resp_1", MINE, NOW) is not None
    # A thief's conversation does not join its victim's, whatever it names as its previous response.
    stolen = expand.Expanded(fields(input="x"), (Raw(b'{"role":"user","content":"x"}'),), "resp_1")
    assert keep.keep(table, stolen, answer("resp_x", message("msg_x", "x")), THEIRS, NOW)
    assert refused(table, THEIRS, input="x", previous_response_id="resp_x") == UNKNOWN
    later = NOW + 10 * DAY_MS
    assert keep.keep(table, stolen, answer("resp_y", message("msg_y", "x")), THEIRS, later)
    assert table.expire(NOW + 30 * DAY_MS) == 2  # nor does it prolong its victim's
    assert table.load("resp_1", MINE, NOW) is None
    assert table.load("resp_y", THEIRS, NOW) is not None


def test_stored_responses_are_read_and_deleted(table: ResponseTable) -> None:
    say(table, "resp_1", "one")
    say(table, "resp_2", "two", previous="resp_1")
    assert json.loads(keep.retrieve(table, "resp_1", MINE, NOW))["output"][0]["id"] == "msg_resp_1"
    assert json.loads(keep.remove(table, "resp_1", MINE, NOW)) == {
        "id": "resp_1",
        "object": "response",
        "deleted": True,
    }
    assert table.load("resp_1", MINE, NOW) is None
    assert not table.delete("resp_1", MINE, NOW)
    assert table.items(["msg_resp_1"], MINE, NOW) == {}
    # Half a conversation would silently be another one.
    assert refused(table, input="x", previous_response_id="resp_2") == UNKNOWN
    assert table.load("resp_2", MINE, NOW) is not None


def test_saving_an_id_again_changes_nothing(table: ResponseTable) -> None:
    say(table, "resp_1", "one")
    found = expand.expand(fields(input="other"), None, {})
    assert keep.keep(table, found, answer("resp_1"), MINE, NOW)
    assert json.loads(keep.retrieve(table, "resp_1", MINE, NOW))["output"]


def test_two_keys_may_be_given_the_same_id(table: ResponseTable) -> None:
    """A provider that repeats its ids must not let one key hide, read or delete what another has stored."""
    say(table, "resp_1", "mine")
    say(table, "resp_1", "theirs", key=THEIRS)
    for key, said in ((MINE, "user:mine"), (THEIRS, "user:theirs")):
        asked = fields(input="more", previous_response_id="resp_1")
        assert texts(expand.resolve(table, asked, key, NOW))[0] == said
    keep.remove(table, "resp_1", MINE, NOW)
    assert refused(table, previous_response_id="resp_1", input="more")[0] == 400
    assert keep.retrieve(table, "resp_1", THEIRS, NOW)
    asked = fields(input=[{"type": "item_reference", "id": "msg_resp_1"}])
    assert texts(expand.resolve(table, asked, THEIRS, NOW)) == ["assistant:re resp_1"]


def test_input_items_are_paged(table: ResponseTable) -> None:
    say(table, "resp_1", "one")
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    say(table, "resp_2", [output, {"role": "user", "content": "three"}], previous="resp_1")

    def page(**query: str) -> Any:
        return json.loads(keep.list_input(table, "resp_2", MINE, NOW, query))

    whole = page(order="asc")
    assert [item["type"] for item in whole["data"]] == ["message", "message", "function_call_output", "message"]
    assert (whole["object"], whole["has_more"]) == ("list", False)
    ids = [item["id"] for item in whole["data"]]
    assert len(set(ids)) == 4
    assert (whole["first_id"], whole["last_id"]) == (ids[0], ids[-1])
    assert whole["data"][3]["content"] == [{"type": "input_text", "text": "three"}]
    assert whole["data"][3]["status"] == "completed"
    assert [item["id"] for item in page()["data"]] == ids[::-1]
    first = page(limit="3")
    assert first["has_more"]
    assert [item["id"] for item in page(after=first["last_id"], limit="3")["data"]] == ids[:1]
    for query in ({"limit": "0"}, {"limit": "x"}, {"order": "up"}, {"after": "msg_gone"}):
        with pytest.raises(RequestRefused):
            page(**query)


def test_responses_are_forgotten_after_their_time(table: ResponseTable) -> None:
    say(table, "resp_1", "one")
    later = NOW + 29 * DAY_MS
    say(table, "resp_2", "two", previous="resp_1", now=later)
    end = NOW + 30 * DAY_MS
    assert table.load("resp_1", MINE, end - 1) is not None
    assert table.load("resp_1", MINE, end) is None
    assert refused(table, now=end, input="x", previous_response_id="resp_1") == UNKNOWN
    # As context it is kept as long as the response that continues it.
    assert texts(expand.resolve(table, fields(input="x", previous_response_id="resp_2"), MINE, end))[0] == "user:one"
    assert table.expire(end) == 0
    assert table.expire(later + 30 * DAY_MS) == 1
    assert table.chain("resp_2", MINE, NOW) is None


def test_saving_removes_what_has_expired(table: ResponseTable) -> None:
    say(table, "resp_1", "one")
    say(table, "resp_2", "two", now=NOW + 31 * DAY_MS)
    assert table.load("resp_1", MINE, NOW) is None
    assert table.expire(NOW + 31 * DAY_MS) == 0


def test_a_key_has_bounded_room(store: Store) -> None:
    with store.open() as database:
        table = ResponseTable(database, Retention(key_bytes=1_000, context_bytes=700))
        text = "x" * 200
        for at in range(8):
            say(table, f"resp_{at}", text, now=NOW + at)
        kept = [at for at in range(8) if table.load(f"resp_{at}", MINE, NOW + 8)]
        assert kept
        assert kept == list(range(8))[-len(kept) :]
        say(table, "resp_other", text, key=THEIRS, now=NOW)
        say(table, "resp_8", text, now=NOW + 8)
        assert table.load("resp_other", THEIRS, NOW)
        huge = expand.expand(fields(input="y" * 800), None, {})
        assert not keep.keep(table, huge, answer("resp_huge"), MINE, NOW)
        assert table.load("resp_huge", MINE, NOW) is None


def test_one_conversation_cannot_take_more_than_its_key_has(store: Store) -> None:
    with store.open() as database:
        table = ResponseTable(database, Retention(key_bytes=2_000, context_bytes=1_500))
        say(table, "resp_root", "x" * 200)
        found = expand.resolve(table, fields(input="y" * 200, previous_response_id="resp_root"), MINE, NOW)
        stored = [keep.keep(table, found, answer(f"resp_{at}"), MINE, NOW) for at in range(20)]
        assert stored[0]
        assert not stored[-1]
        volume = database.execute("SELECT bytes FROM response_volume")[0][0]
        assert isinstance(volume, int)
        assert volume <= 2_000


def test_a_conversation_that_is_too_large_is_refused(store: Store) -> None:
    with store.open() as database:
        table = ResponseTable(database, Retention(context_bytes=1_500))
        say(table, "resp_0", "x" * 400)
        say(table, "resp_1", "x" * 400, previous="resp_0")
        assert refused(table, input="x", previous_response_id="resp_1")[0] == 400
        with pytest.raises(RequestRefused, match="too large"):
            keep.list_input(table, "resp_1", MINE, NOW, {})
        assert refused(table, THEIRS, input="x", previous_response_id="resp_1") == UNKNOWN
