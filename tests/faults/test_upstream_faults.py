"""Rows U-01 to U-35 of the fault matrix, as the customer sees them: a provider fails on the wire, byte for byte.

Before content every failure has its real status and envelope; after content it is exactly one error event and no
`[DONE]`. Money, failover between lanes (the arrow "FO" of the rows) and the ejection of a lane are not part of this
version; a row is proved with one lane, where it shows the error itself. The autouse fixture proves after every test
that the gateway serves on.
"""

import json
from typing import Any

import psutil
import pytest

from tests.faults.conftest import PROVIDER_KEY, Stage
from tests.faults.provider import USAGE
from tests.faults.raw import Answer, chat, error_of
from tests.faults.scripts import FRAMINGS

OURS = {"upstream_error": 502, "upstream_timeout": 504, "overloaded": 503, "rate_limit_exceeded": 429}


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The error of a refusal that came before any content, checked for what every refusal must have."""
    assert (answer.status, answer.complete) == (status, True), answer
    assert answer.header("content-type") == "application/json"
    assert len(answer.header("x-request-id") or "") == 26
    assert answer.error["code"] == code, answer
    assert_silent(answer)
    return answer.error


def broken(answer: Answer, code: str) -> list[str]:
    """The data of the events before the one error event that ends a broken stream."""
    assert (answer.status, answer.complete) == (200, True), answer
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    events = data_of(answer)
    assert error_of(events[-1])["code"] == code
    for event in events[:-1]:
        assert json.loads(event)["choices"], "whole events only, and one error"
    assert_silent(answer)
    return events[:-1]


def data_of(answer: Answer) -> list[str]:
    """The data of every event; the body must consist of whole frames."""
    *frames, rest = answer.body.decode().split("\n\n")
    assert rest == ""
    return [frame.removeprefix("data: ") for frame in frames if not frame.startswith(":")]


def text_of(events: list[str]) -> str:
    """The text that the events of a stream add up to."""
    choices = [choice for event in events if event != "[DONE]" for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content", "") for choice in choices)


def assert_silent(answer: Answer) -> None:
    """Nothing of the provider's own words, addresses or keys (G56)."""
    shown = answer.body.decode() + repr(answer.headers)
    for secret in ("sk-live", "internal.example", PROVIDER_KEY, "127.0.0.1", "upstream-name"):
        assert secret not in shown


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
class TestNotReached:
    """Nothing was sent, so the gateway can say so in its own words."""

    def test_U01_connection_refused(self, stage: Stage, stream: bool) -> None:
        refused(stage.call("u01", stream=stream), 502, "upstream_error")

    def test_U02_black_hole(self, stage: Stage, stream: bool) -> None:
        """A listener whose queue is full drops what arrives, which needs no route to a real black hole."""
        refused(stage.call("u02", stream=stream), 504, "upstream_timeout")

    def test_U03_name_does_not_resolve(self, stage: Stage, stream: bool) -> None:
        refused(stage.call("u03", stream=stream), 502, "upstream_error")

    def test_U04_provider_without_tls_is_not_spoken_to_in_the_clear(self, stage: Stage, stream: bool) -> None:
        refused(stage.call("u04-plain", stream=stream), 502, "upstream_error")
        assert stage.provider.of("u04") == []

    @pytest.mark.parametrize("certificate", ["unknown", "expired", "wrong-name"])
    def test_U04_certificate_not_accepted(self, stage: Stage, stream: bool, certificate: str) -> None:
        refused(stage.call(f"u04-{certificate}", stream=stream), 502, "upstream_error")

    def test_U04_good_certificate_is_accepted(self, stage: Stage, stream: bool) -> None:
        """The control: the other certificates differ from this one in the named respect alone."""
        answer = stage.call("u04-good", stream=stream)
        assert answer.status == (502 if stream else 200), "the script answers a stream with a single object"


class TestSilence:
    """The provider takes too long."""

    def test_U05_unary_never_answers(self, stage: Stage) -> None:
        refused(stage.call("u05"), 504, "upstream_timeout")
        assert stage.provider.of("u05")[-1].left.wait(30), "the upstream call is ended too"

    def test_U05_stream_never_answers(self, stage: Stage) -> None:
        refused(stage.call("u05", stream=True), 504, "upstream_timeout")
        assert stage.provider.of("u05")[-1].left.wait(30)

    def test_U06_headers_and_then_no_event(self, stage: Stage) -> None:
        refused(stage.call("u06", stream=True), 504, "upstream_timeout")
        assert stage.provider.of("u06")[-1].left.wait(30)

    def test_U07_stall_mid_stream(self, stage: Stage) -> None:
        assert text_of(broken(stage.call("u07", stream=True), "upstream_timeout")) == "Hello"
        assert stage.provider.of("u07")[-1].left.wait(30)


class TestBreaks:
    """The provider stops in the middle."""

    @pytest.mark.parametrize(("script", "text"), [("u08", "Hello"), ("u08-close", "Hi")])
    def test_U08_clean_end_without_done(self, stage: Stage, script: str, text: str) -> None:
        assert text_of(broken(stage.call(script, stream=True), "upstream_error")) == text

    def test_U09_only_done_is_missing(self, stage: Stage) -> None:
        answer = stage.call("u09", stream=True, stream_options={"include_usage": True})
        events = data_of(answer)
        assert (answer.complete, events[-1], events.count("[DONE]")) == (True, "[DONE]", 1)
        assert json.loads(events[-2])["usage"] == USAGE

    def test_U10_reset_in_the_middle_of_an_event(self, stage: Stage) -> None:
        answer = stage.call("u10", stream=True)
        assert text_of(broken(answer, "upstream_error")) == "Hello"
        assert b"never" not in answer.body

    def test_U10_unary_body_cut_short(self, stage: Stage) -> None:
        refused(stage.call("u10-unary"), 502, "upstream_error")


class TestNonsense:
    """The provider answers, but not with what was asked for."""

    @pytest.mark.parametrize("script", ["u11", "u11-shape"])
    def test_U11_unary_answer_is_no_completion(self, stage: Stage, script: str) -> None:
        refused(stage.call(script), 502, "upstream_error")

    def test_U12_malformed_event_before_content(self, stage: Stage) -> None:
        refused(stage.call("u12-before", stream=True), 502, "upstream_error")

    def test_U12_malformed_event_after_content(self, stage: Stage) -> None:
        answer = stage.call("u12-after", stream=True)
        assert text_of(broken(answer, "upstream_error")) == "Hello"
        assert b"half" not in answer.body

    @pytest.mark.parametrize("framing", list(FRAMINGS))
    def test_U13_odd_framing(self, stage: Stage, framing: str) -> None:
        events = data_of(stage.call(f"u13-{framing}", stream=True))
        assert text_of(events) == "Grüße 世界"
        assert events[-1] == "[DONE]"
        assert all(json.loads(event)["model"] == f"fault/u13-{framing}" for event in events[:-1])

    def test_U13_ten_thousand_comments(self, stage: Stage) -> None:
        events = data_of(stage.call("u13-comments", stream=True))
        assert (text_of(events), events[-1]) == ("Hello", "[DONE]")

    def test_U14_event_that_never_ends(self, stage: Stage) -> None:
        answer = stage.call("u14", stream=True)
        assert text_of(broken(answer, "upstream_error")) == "Hello"
        assert len(answer.body) < 1000
        assert stage.provider.of("u14")[-1].left.wait(30)

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    def test_U15_html_in_a_200(self, stage: Stage, stream: bool) -> None:
        refused(stage.call("u15", stream=stream), 502, "upstream_error")

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    @pytest.mark.parametrize(
        ("script", "code"), [("u16-rate", "rate_limit_exceeded"), ("u16-overloaded", "overloaded")]
    )
    def test_U16_error_in_a_200(self, stage: Stage, script: str, code: str, stream: bool) -> None:
        refused(stage.call(script, stream=stream), OURS[code], code)

    def test_U17_error_as_first_event(self, stage: Stage) -> None:
        refused(stage.call("u17", stream=True), 503, "overloaded")

    def test_U18_error_event_after_content(self, stage: Stage) -> None:
        assert text_of(broken(stage.call("u18", stream=True), "upstream_error")) == "Hello"

    @pytest.mark.parametrize("script", ["u19-bomb", "u19-modest-bomb", "u19-endless"])
    def test_U19_body_without_end_or_compressed_bomb(self, stage: Stage, script: str) -> None:
        """96 MiB in 96 KiB, 160 MiB in 4 MiB, and a body that never ends: refused by 64 MiB, in bounded memory."""
        family = workers(stage)
        before = sum(process.memory_info().rss for process in family)
        refused(stage.call(script), 502, "upstream_error")
        assert sum(process.memory_info().rss for process in family) - before < 80 * 1024 * 1024


class TestRefusals:
    """The provider answers with an error status."""

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    def test_U20_rate_limit_and_its_retry_after(self, stage: Stage, stream: bool) -> None:
        answer = stage.call("u20", stream=stream)
        assert refused(answer, 429, "rate_limit_exceeded")["type"] == "requests"
        assert (answer.header("retry-after"), answer.header("retry-after-ms")) == ("30", "30000")
        assert len(stage.provider.of("u20")) in (1, 2), "an error status is not tried again on the same lane"

    @pytest.mark.parametrize("script", ["u21-date", "u21-negative", "u21-huge", "u21-garbage"])
    def test_U21_odd_retry_after_is_clamped(self, stage: Stage, script: str) -> None:
        answer = stage.call(script)
        refused(answer, 429, "rate_limit_exceeded")
        assert 1 <= int(answer.header("retry-after") or 0) <= 120

    @pytest.mark.parametrize("script", ["u22-503", "u22-529"])
    def test_U22_overloaded(self, stage: Stage, script: str) -> None:
        answer = stage.call(script)
        refused(answer, 503, "overloaded")
        assert 1 <= int(answer.header("retry-after") or 0) <= 10

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    @pytest.mark.parametrize(
        ("script", "code"),
        [("u23-500", "upstream_error"), ("u23-502", "upstream_error"), ("u23-504", "upstream_timeout")],
    )
    def test_U23_server_errors(self, stage: Stage, script: str, code: str, stream: bool) -> None:
        refused(stage.call(script, stream=stream), OURS[code], code)

    @pytest.mark.parametrize("script", ["u24-401", "u24-403"])
    def test_U24_our_own_credential_is_refused(self, stage: Stage, script: str) -> None:
        """Never a 401, which would tell customers that their key is wrong."""
        answer = stage.call(script)
        assert refused(answer, 502, "upstream_error")["type"] == "server_error"
        assert answer.header("www-authenticate") is None

    def test_U25_model_gone(self, stage: Stage) -> None:
        """Never a 404, which would tell customers that the model is unknown here."""
        refused(stage.call("u25"), 502, "upstream_error")

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    def test_U26_context_exceeded(self, stage: Stage, stream: bool) -> None:
        error = refused(stage.call("u26-context", stream=stream), 400, "context_length_exceeded")
        assert error["message"] == "This model's maximum context length is 8 tokens."
        assert error["type"] == "invalid_request_error"

    def test_U26_content_policy(self, stage: Stage) -> None:
        error = refused(stage.call("u26-policy"), 400, "content_policy_violation")
        assert error["message"] == "The prompt was rejected."

    def test_U26_providers_text_is_redacted(self, stage: Stage) -> None:
        error = refused(stage.call("u26-secret"), 400, "invalid_value")
        assert error["param"] == "messages"
        assert error["message"] == "your key [redacted] at [redacted] failed"


class TestConnection:
    """What happens below the answers."""

    def test_U27_idle_connection_closed_by_the_provider(self, stage: Stage) -> None:
        """Each answer is followed by the end of its connection, unannounced; the next call must not notice."""
        answers = [stage.call("u27") for _ in range(20)]
        assert [answer.status for answer in answers] == [200] * 20
        assert len(stage.provider.of("u27")) == 20, "each call reached the provider once"

    def test_U27_idle_connection_closed_as_the_request_is_written(self, stage: Stage) -> None:
        """The request left, but the connection was dead: one fresh connection, invisible to the client."""
        answers = [stage.call("u27-late", stream=False) for _ in range(5)]
        assert [answer.status for answer in answers] == [200] * 5
        assert len(stage.provider.of("u27-late")) > 5, "no request met a dead connection: nothing was proved"

    def test_U28_status_before_the_body_was_read(self, stage: Stage) -> None:
        """The provider refuses by the head alone and closes, while most of 16 MB is still to be written."""
        answer = stage.ask(chat("fault/u28-early", user="x" * 16_000_000))
        refused(answer, 429, "rate_limit_exceeded")
        assert answer.header("retry-after") == "7"

    def test_U28_informational_answers_are_skipped(self, stage: Stage) -> None:
        assert stage.call("u28-1xx").status == 200

    @pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_U29_redirects_are_not_followed(self, stage: Stage, status: int, stream: bool) -> None:
        refused(stage.call(f"u29-{status}", stream=stream), 502, "upstream_error")
        assert {seen.path for seen in stage.provider.requests} == {"/v1/chat/completions"}

    def test_good_connections_are_used_again(self, stage: Stage) -> None:
        ordinals = {stage.call("chat").status and stage.provider.of("chat")[-1].ordinal for _ in range(5)}
        ordinals |= {stage.call("stream", stream=True).status and stage.provider.of("stream")[-1].ordinal}
        assert len(ordinals) == 1

    def test_SEC43_the_provider_gets_its_own_key_only(self, stage: Stage) -> None:
        stage.call("chat")
        seen = stage.provider.of("chat")[-1]
        assert seen.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert stage.gateway.key not in repr(seen)
        assert PROVIDER_KEY not in stage.gateway.log.read_text()


class TestOddButGood:
    """Not every oddity is a failure."""

    def test_U33_explicit_usage_of_zero(self, stage: Stage) -> None:
        events = data_of(stage.call("u33", stream=True, stream_options={"include_usage": True}))
        assert json.loads(events[-2])["usage"] == {"prompt_tokens": 0, "completion_tokens": 0}
        assert events[-1] == "[DONE]"

    def test_U34_nothing_and_no_finish(self, stage: Stage) -> None:
        refused(stage.call("u34", stream=True), 502, "upstream_error")

    def test_U35_the_answer_carries_the_public_name(self, stage: Stage) -> None:
        assert json.loads(stage.call("chat").body)["model"] == "fault/chat"
        events = data_of(stage.call("stream", stream=True))
        assert {json.loads(event)["model"] for event in events[:-1]} == {"fault/stream"}


def workers(stage: Stage) -> list[psutil.Process]:
    """The gateway's processes."""
    root = psutil.Process(stage.gateway.process.pid)
    return [root, *root.children(recursive=True)]
