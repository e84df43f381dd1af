"""Counting tokens over Anthropic Messages, both sides (protocols 1.9)."""

import json

import pytest

from nexusflow.ir.chat import Sampling, Tool
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.plan import Model, RequestBounds
from nexusflow.protocols.anthropic import count_tokens
from nexusflow.wire import jsonedit
from tests.support.messages import chat, destination, sdk

MODEL = Model(id="public", title="P", owner="o", category="chat", lanes=(), protocols=())
BODY = b'{"model":"public","system":"S","messages":[{"role":"user","content":"Hello"}]}'


def test_T113_a_request_needs_no_max_tokens() -> None:
    request = count_tokens.validate(BODY, MODEL, RequestBounds())
    assert request.model == "public"
    call = count_tokens.read(BODY, model="public")
    assert [turn.role for turn in call.turns] == ["system", "user"]
    assert call.max_tokens is None


def test_a_malformed_one_is_refused() -> None:
    with pytest.raises(RequestRefused) as caught:
        count_tokens.validate(b'{"model":"public","messages":"Hello"}', MODEL, RequestBounds())
    assert caught.value.problem.param == "messages"


def test_the_same_protocol_gets_the_body_as_it_is() -> None:
    sent = count_tokens.prepare(jsonedit.split(BODY), jsonedit.text("upstream"))
    assert sent == BODY.replace(b'"public"', b'"upstream"')


def test_another_protocols_call_is_asked_for_without_what_does_not_count() -> None:
    call = chat(tools=(Tool(name="f"),), sampling=Sampling(temperature=0.5), max_tokens=7, stream=True, stop=("x",))
    sent = json.loads(count_tokens.write(call, destination(), Losses()))
    assert sent.keys() == {"model", "messages", "tools"}
    assert sent["model"] == "claude-upstream"


def test_answers_both_ways() -> None:
    assert count_tokens.read_answer(b'{"input_tokens":14}') == 14
    client = sdk(count_tokens.write_answer(14))
    found = client.messages.count_tokens(model="public", messages=[{"role": "user", "content": "Hello"}])
    assert found.input_tokens == 14


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", Kind.UPSTREAM),
        (b"{}", Kind.UPSTREAM),
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"x"}}', Kind.RATE),
    ],
)
def test_an_answer_that_is_none_is_an_error(body: bytes, kind: Kind) -> None:
    with pytest.raises(RequestRefused) as caught:
        count_tokens.read_answer(body)
    assert caught.value.problem.kind is kind
