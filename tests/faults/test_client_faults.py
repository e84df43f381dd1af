"""Rows C-01 to C-25 of the fault matrix: clients that leave, stall, lie or attack, over plain sockets.

Every refusal has its status, OpenAI's envelope with the right code and `param`, and our request id; the autouse
fixture proves after every test that the same worker serves the next request.
"""

import contextlib
import json
import random
import select
import socket
import time
from typing import Any

import psutil
import pytest

from nexusflow.testing.faulty import Seen
from tests.faults.conftest import Stage
from tests.faults.raw import PATIENCE_SECONDS, Answer, Connection, chat, request, wait_until

MIB = 1024 * 1024


def refused(answer: Answer, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    """The error of a refusal, checked for what every refusal must have."""
    assert (answer.status, answer.complete) == (status, True), answer
    assert answer.header("content-type") == "application/json"
    assert len(answer.header("x-request-id") or "") == 26
    assert (answer.error["code"], answer.error["param"]) == (code, param), answer
    return answer.error


def begin(stage: Stage, name: str, connection: Connection, **fields: Any) -> Seen:
    """Ask for the script `name` and return the request as the provider has it now."""
    before = len(stage.provider.of(name))
    connection.send(stage.request(chat(f"fault/{name}", **fields)))
    assert wait_until(lambda: len(stage.provider.of(name)) > before)
    return stage.provider.of(name)[-1]


def ended_early(seen: Seen, since: float, record: Any) -> None:
    """The upstream call ended although the provider had more to say; how fast is recorded, not judged."""
    assert seen.left.wait(PATIENCE_SECONDS), "the upstream call goes on"
    assert not seen.finished.is_set()
    record("cancelled_upstream_after_ms", round((seen.left_at - since) * 1000))


def worker_memory(stage: Stage) -> int:
    """Bytes that the gateway's processes occupy."""
    root = psutil.Process(stage.gateway.process.pid)
    return int(sum(process.memory_info().rss for process in [root, *root.children(recursive=True)]))


class TestLeaving:
    """The client closes its connection."""

    def test_C01_before_dispatch(self, stage: Stage) -> None:
        """A request whose body never came completely is not sent to any provider."""
        before = len(stage.provider.requests)
        with stage.connect() as connection:
            connection.send(stage.request(chat("fault/chat"))[:-5])
        stage.call("stream", stream=True)
        assert [seen.model for seen in stage.provider.requests[before:]] == ["stream"]

    def test_C02_before_the_first_event(self, stage: Stage, record_property: Any) -> None:
        with stage.connect() as connection:
            seen = begin(stage, "hang", connection, stream=True)
            since = time.monotonic()
        ended_early(seen, since, record_property)

    def test_C03_mid_stream(self, stage: Stage, record_property: Any) -> None:
        with stage.connect() as connection:
            seen = begin(stage, "first-then-hang", connection, stream=True)
            connection.read_until(b"Hello")
            since = time.monotonic()
        ended_early(seen, since, record_property)

    def test_C03_by_reset(self, stage: Stage, record_property: Any) -> None:
        with stage.connect() as connection:
            seen = begin(stage, "first-then-hang", connection, stream=True)
            connection.read_until(b"Hello")
            connection.reset()
            since = time.monotonic()
        ended_early(seen, since, record_property)

    def test_C04_during_unary_the_call_finishes(self, stage: Stage) -> None:
        """What the provider has begun to produce will be paid for; it is not thrown away half-way."""
        with stage.connect() as connection:
            seen = begin(stage, "late", connection)
        assert seen.finished.wait(PATIENCE_SECONDS)
        assert not seen.left.is_set()

    def test_C05_between_the_last_content_and_the_usage(self, stage: Stage, record_property: Any) -> None:
        """Without a ledger there is nothing to drain for: the call ends like any other."""
        with stage.connect() as connection:
            seen = begin(stage, "content-then-hang", connection, stream=True)
            connection.read_until(b'"finish_reason":"stop"')
            since = time.monotonic()
        ended_early(seen, since, record_property)

    def test_C08_half_close(self, stage: Stage) -> None:
        """The server takes the end of the client's half as its leaving (hyper has no half-open mode here).

        So the answer is lost, but nothing else is: the provider's call ends and the socket is freed.
        """
        with stage.connect() as connection:
            seen = begin(stage, "first-then-hang", connection, stream=True)
            connection.socket.shutdown(socket.SHUT_WR)
            assert seen.left.wait(PATIENCE_SECONDS)
            assert connection.closed()


class TestReading:
    """The client takes its answer slowly, or not at all."""

    def test_C06_slow_reader_gets_everything(self, stage: Stage) -> None:
        """9 MB through a window of a few KiB: the gateway waits, and keeps little of it."""
        before = worker_memory(stage)
        with stage.connect(receive_buffer=4096) as connection:
            begin(stage, "long", connection, stream=True)
            time.sleep(0.3)
            assert worker_memory(stage) - before < 8 * MIB
            answer = connection.answer()
        assert answer.complete
        assert answer.body.count(b"x" * 60_000) == 150
        assert answer.body.endswith(b"data: [DONE]\n\n")

    def test_C07_stalled_reader_is_cut_off(self, stage: Stage) -> None:
        """The provider would send for ever; the client takes nothing; both connections end, in bounded memory."""
        before = worker_memory(stage)
        with stage.connect(receive_buffer=4096) as connection:
            seen = begin(stage, "flood", connection, stream=True)
            assert seen.left.wait(PATIENCE_SECONDS), "the provider's connection is pinned"
            assert worker_memory(stage) - before < 40 * MIB
            answer = connection.answer()
        assert not answer.complete
        assert b"[DONE]" not in answer.body


class TestBody:
    """Size, coding and pace of a body."""

    def test_C09_declared_too_large(self, stage: Stage) -> None:
        """Refused by its declared length: nothing of the body was sent."""
        with stage.connect() as connection:
            connection.send(stage.request(b"", headers=(f"content-length: {64 * MIB}",)))
            answer = connection.answer()
            refused(answer, 413, "request_too_large")
            assert answer.header("connection") == "close"
            assert connection.closed()

    @pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
    def test_C09_64_megabytes_sent_all_the_same(self, stage: Stage, chunked: bool) -> None:
        """A client that sends without listening may see its connection break, but never memory filled or a 200."""
        before = worker_memory(stage)
        framing = "transfer-encoding: chunked" if chunked else f"content-length: {64 * MIB}"
        answer = None
        with stage.connect() as connection:
            connection.send(stage.request(b"", headers=(framing,)))
            block = b"x" * MIB
            try:
                for _ in range(64):
                    connection.send(f"{MIB:x}\r\n".encode() + block + b"\r\n" if chunked else block)
            except ConnectionError:
                pass
            with contextlib.suppress(ConnectionError, EOFError):
                answer = connection.answer()
        assert worker_memory(stage) - before < 48 * MIB
        if answer is not None:
            refused(answer, 413, "request_too_large")

    def test_C09_chunked_too_large_is_answered_before_the_rest(self, stage: Stage) -> None:
        with stage.connect() as connection:
            connection.send(stage.request(b"", headers=("transfer-encoding: chunked",)))
            for _ in range(33):
                connection.send(f"{MIB:x}\r\n".encode() + b"x" * MIB + b"\r\n")
            refused(connection.answer(), 413, "request_too_large")

    @pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "zstd"])
    def test_C10_compressed_body(self, stage: Stage, coding: str) -> None:
        answer = stage.ask(chat("fault/chat"), headers=(f"content-encoding: {coding}",))
        refused(answer, 415, "unsupported_encoding")

    def test_C10_identity_is_no_compression(self, stage: Stage) -> None:
        assert stage.ask(chat("fault/chat"), headers=("content-encoding: identity",)).status == 200

    @pytest.mark.parametrize("trickle", [False, True], ids=["silent", "trickling"])
    def test_C11_slow_body(self, stage: Stage, trickle: bool) -> None:
        """Others are served meanwhile; a byte now and then buys no time."""
        with stage.connect() as connection:
            whole = stage.request(chat("fault/chat"))
            connection.send(whole[:-20])
            assert stage.call("chat").status == 200
            if trickle:
                for byte in whole[-20:-1]:
                    if select.select([connection.socket], [], [], 0.15)[0]:
                        break
                    connection.send(bytes([byte]))
            answer = connection.answer()
            refused(answer, 408, "request_timeout")
            assert answer.header("connection") == "close"
            assert connection.closed()


class TestJson:
    """Bodies that are not what they should be."""

    @pytest.mark.parametrize("depth", [1_000, 10_000, 100_000, 5_000_000])
    @pytest.mark.parametrize("place", ["whole", "field", "content", "objects"])
    def test_C12_nested_brackets(self, stage: Stage, depth: int, place: str) -> None:
        nested = b"[" * depth + b"]" * depth
        body = {
            "whole": nested,
            "field": chat("fault/chat")[:-1] + b',"extra":' + nested + b"}",
            "content": b'{"model":"fault/chat","messages":[{"role":"user","content":' + nested + b"}]}",
            "objects": chat("fault/chat")[:-1] + b',"extra":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}",
        }[place]
        refused(stage.ask(body), 400, "invalid_json")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"null",
            b"[]",
            b'"text"',
            b"\xef\xbb\xbf" + chat("fault/chat"),
            chat("fault/chat") + b"garbage",
            chat("fault/chat") + chat("fault/chat"),
            chat("fault/chat").replace(b"Hello", b"\xff\xfe"),
            chat("fault/chat").replace(b"Hello", b"\\ud800"),
            chat("fault/chat").replace(b"Hello", b"\\udc00x"),
            chat("fault/chat", extra="~").replace(b"~", b"\xff"),
            chat("fault/chat", extra={"deep": ["~"]}).replace(b"~", b"\xc3"),
            chat("fault/chat").replace(b"Hello", b"a\nb"),
            b"\x1f\x8b\x08\x00",
        ],
    )
    def test_C13_invalid_utf8_and_json(self, stage: Stage, body: bytes) -> None:
        refused(stage.ask(body), 400, "invalid_json")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            (b'{"model":"x","model":"fault/chat","messages":[{"role":"user","content":"a"}]}', "model"),
            (b'{"model":"x","mod\\u0065l":"fault/chat","messages":[{"role":"user","content":"a"}]}', "model"),
            (chat("fault/chat")[:-1] + b', "max_tokens": 1, "max_tokens" : 1000000}', "max_tokens"),
            (chat("fault/chat")[:-1] + b',"stream":false,"stream":false}', "stream"),
            (chat("fault/chat")[:-1] + b',"n":1,"temperature":1,"n":1}', "n"),
        ],
    )
    def test_C14_money_field_twice(self, stage: Stage, body: bytes, field: str) -> None:
        refused(stage.ask(body), 400, "duplicate_key", field)

    def test_C14_other_field_twice_the_last_wins_upstream_too(self, stage: Stage) -> None:
        assert stage.ask(chat("fault/chat")[:-1] + b',"user":"first","user":"last"}').status == 200
        sent = stage.provider.of("chat")[-1].body
        assert b"first" not in sent
        assert sent.count(b'"user":"last"') == 1

    @pytest.mark.parametrize(
        ("field", "text", "status", "code"),
        [
            ("temperature", "NaN", 400, "invalid_value"),
            ("temperature", "Infinity", 400, "invalid_value"),
            ("temperature", "-Infinity", 400, "invalid_value"),
            ("temperature", "1e999", 422, "value_out_of_range"),
            ("max_tokens", "1e999", 422, "value_out_of_range"),
            ("n", "9223372036854775808", 422, "value_out_of_range"),
            ("n", "1" + "0" * 4000, 422, "value_out_of_range"),
            ("n", "-1", 422, "value_out_of_range"),
            ("n", "0", 422, "value_out_of_range"),
            ("n", "1.5", 400, "invalid_type"),
            ("n", '"3"', 400, "invalid_type"),
            ("n", "true", 400, "invalid_type"),
            ("max_tokens", "-5", 422, "value_out_of_range"),
            ("max_tokens", "0", 422, "value_out_of_range"),
            ("max_completion_tokens", '"100"', 400, "invalid_type"),
            ("stream", '"true"', 400, "invalid_type"),
            ("seed", "9223372036854775808", 422, "value_out_of_range"),
        ],
    )
    def test_C16_numbers_that_are_none(self, stage: Stage, field: str, text: str, status: int, code: str) -> None:
        """The answer names the field; a number out of range is a 422, anything else a 400."""
        body = chat("fault/chat")[:-1] + f',"{field}": {text}}}'.encode()
        refused(stage.ask(body), status, code, field)

    @pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
    def test_C17_above_the_models_ceiling(self, stage: Stage, field: str) -> None:
        for value in (101, 10**9, 10**18):
            refused(stage.ask(chat("bounded", **{field: value})), 422, "value_out_of_range", field)
        assert stage.ask(chat("bounded", **{field: 100})).status == 200

    @pytest.mark.parametrize(
        ("field", "fields"),
        [
            ("tools", {"tools": [{"type": "function", "function": {"name": "f"}}] * 5_000}),
            ("messages", {"messages": [{"role": "user", "content": "a"}] * 20_000}),
            (
                "images",
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}] * 500,
                        }
                    ]
                },
            ),
        ],
    )
    def test_C18_too_many(self, stage: Stage, field: str, fields: dict[str, Any]) -> None:
        body = json.dumps({**json.loads(chat("bounded")), **fields}).encode()
        refused(stage.ask(body), 400, "too_many_items", field)

    def test_C20_unknown_models(self, stage: Stage) -> None:
        names = [random.randbytes(8).hex() for _ in range(200)]
        with stage.connect() as connection:
            for name in [*names, "", " ", "fault/chat ", "FAULT/CHAT", "fault/chat\0", "fault\\/chat", "m" * 100_000]:
                connection.send(stage.request(chat(name)))
                refused(connection.answer(), 404, "model_not_found", "model")

    def test_C20_the_name_is_compared_as_json_spells_it(self, stage: Stage) -> None:
        body = chat("fault/chat").replace(b"fault/chat", b"fault\\/ch\\u0061t")
        assert stage.ask(body).status == 200


class TestHead:
    """Header blocks."""

    @pytest.mark.parametrize(
        "headers",
        [
            tuple(f"x-filler-{number}: 1" for number in range(64)),
            ("x-large: " + "a" * 9000,),
            tuple(f"x-large-{number}: {'a' * 7000}" for number in range(5)),
        ],
        ids=["many", "one-large", "large-together"],
    )
    def test_C15_too_much_header(self, stage: Stage, headers: tuple[str, ...]) -> None:
        refused(stage.ask(chat("fault/chat"), headers=headers), 431, "headers_too_large")

    def test_C15_beyond_what_the_server_itself_takes(self, stage: Stage) -> None:
        """The server refuses more than a hundred headers before the gateway sees them, so without a body (G13)."""
        answer = stage.ask(chat("fault/chat"), headers=tuple(f"x-filler-{number}: 1" for number in range(200)))
        assert answer.status == 431

    @pytest.mark.parametrize("name", ["authorization", "Host", "content-type"])
    def test_C15_repeated_header(self, stage: Stage, name: str) -> None:
        value = f"Bearer {stage.gateway.key}" if name == "authorization" else "other"
        error = refused(stage.ask(chat("fault/chat"), headers=(f"{name}: {value}",)), 400, "duplicate_header")
        assert name.lower() in error["message"]

    def test_C15_ordinary_headers_are_no_problem(self, stage: Stage) -> None:
        headers = tuple(f"x-filler-{number}: {'a' * 400}" for number in range(50))
        assert stage.ask(chat("fault/chat"), headers=headers).status == 200

    @pytest.mark.parametrize(
        "given",
        ["mine-123", "x" * 10_000, "a b", "01M833BCZB83NKHRMWT58NNFFM"],
        ids=["plain", "10-KiB", "with-space", "looks-like-ours"],
    )
    def test_C24_the_callers_request_id_is_not_ours(self, stage: Stage, given: str) -> None:
        answer = stage.ask(chat("fault/chat"), headers=(f"x-request-id: {given}",))
        assert len(answer.header("x-request-id") or "") == 26
        assert answer.header("x-request-id") != given
        assert given not in stage.gateway.log.read_text()

    def test_C24_request_ids_are_unique(self, stage: Stage) -> None:
        ids = {stage.ask(b"").header("x-request-id") for _ in range(50)}
        assert len(ids) == 50

    @pytest.mark.parametrize(
        "headers",
        [
            ("connection: authorization, x-request-id",),
            ("connection: keep-alive, content-length",),
            ("te: trailers", "trailer: authorization", "upgrade-insecure-requests: 1"),
            ("proxy-authorization: Basic abc", "proxy-connection: keep-alive"),
            ("x-forwarded-for: 10.0.0.1", "cookie: session=1", "forwarded: for=1"),
        ],
    )
    def test_C25_hop_by_hop_headers_go_nowhere(self, stage: Stage, headers: tuple[str, ...]) -> None:
        """The provider gets our own headers only, whatever the client sends; the client gets its request id."""
        answer = stage.ask(chat("fault/chat"), headers=headers)
        assert answer.status == 200
        assert len(answer.header("x-request-id") or "") == 26
        sent = stage.provider.of("chat")[-1].headers
        assert set(sent) == {
            "host",
            "accept",
            "accept-encoding",
            "authorization",
            "content-length",
            "content-type",
            "user-agent",
        }
        assert stage.gateway.key not in repr(sent)

    def test_C25_the_providers_headers_stay_with_the_gateway(self, stage: Stage) -> None:
        answer = stage.call("chatty")
        assert {name for name, _ in answer.headers} == {
            "content-type",
            "content-length",
            "x-nexusflow-attempts",
            "x-nexusflow-cost",
            "x-nexusflow-model",
            "x-nexusflow-provider",
            "x-request-id",
            "server",
            "date",
        }

    def test_no_key_and_wrong_keys_look_alike(self, stage: Stage) -> None:
        """SEC-52; and no byte of the body is waited for (R-30)."""
        for key in (None, "sk-air-wrong", "x" * 5000):
            with stage.connect() as connection:
                connection.send(request(key, b"", headers=("content-length: 1000",)))
                answer = connection.answer()
                refused(answer, 401, "invalid_api_key")
                assert answer.header("www-authenticate") == "Bearer"


class TestFraming:
    """C-22: more than one request in one stream of bytes, or fewer."""

    def test_C22_pipelined_requests_are_answered_in_order(self, stage: Stage) -> None:
        with stage.connect() as connection:
            names = ["fault/chat", "nobody", "fault/chat", "bounded"]
            connection.send(b"".join(stage.request(chat(name)) for name in names))
            answers = [connection.answer() for _ in names]
        assert [answer.status for answer in answers] == [200, 404, 200, 200]
        assert [json.loads(answers[at].body)["model"] for at in (0, 2, 3)] == ["fault/chat", "fault/chat", "bounded"]

    @pytest.mark.parametrize(
        "headers",
        [
            ("content-length: {length}", "transfer-encoding: chunked"),
            ("transfer-encoding: chunked", "content-length: {length}"),
            ("content-length: {length}", "content-length: 5"),
            ("content-length: +{length}",),
            ("content-length : {length}",),
            ("transfer-encoding: chunked, identity",),
            ("transfer-encoding: xchunked", "content-length: {length}"),
            ("x-folded: a\r\n b",),
            ("x-nul: a\0b",),
        ],
    )
    def test_C22_ambiguous_framing_is_never_two_requests(self, stage: Stage, headers: tuple[str, ...]) -> None:
        """A second request hidden in the body must not be answered; what the server makes of the first may differ.

        Measured: of both lengths the chunked one counts and the connection is closed; the others are a 400 (G12).
        """
        hidden = stage.request(chat("bounded"))
        body = b"0\r\n\r\n" + hidden
        before = len(stage.provider.requests)
        with stage.connect() as connection:
            filled = tuple(line.format(length=len(body)) for line in headers)
            connection.send(stage.request(body, headers=filled))
            answers = [connection.answer()]
            connection.socket.shutdown(socket.SHUT_WR)
            try:
                while True:
                    answers.append(connection.answer())
            except (EOFError, ConnectionError):
                pass
        assert [answer.status for answer in answers] == [400]
        assert len(stage.provider.requests) == before

    @pytest.mark.parametrize("form", ["bare-lf", "absolute-form", "no-host"])
    def test_C22_odd_but_single_requests(self, stage: Stage, form: str) -> None:
        """The server accepts these; each is one request and one answer (G12)."""
        whole = stage.request(chat("fault/chat"))
        head, _, body = whole.partition(b"\r\n\r\n")
        odd = {
            "bare-lf": head.replace(b"\r\n", b"\n") + b"\n\n" + body,
            "absolute-form": whole.replace(b"POST /v1", b"POST http://evil.example/v1"),
            "no-host": whole.replace(b"host: gateway\r\n", b""),
        }[form]
        before = len(stage.provider.requests)
        with stage.connect() as connection:
            connection.send(odd)
            assert connection.answer().status in (200, 400)
            connection.socket.shutdown(socket.SHUT_WR)
            assert connection.closed()
        assert len(stage.provider.requests) - before <= 1


class TestPath:
    """C-23: addresses that try to be something else."""

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/../v1/chat/completions",
            "/v1/%2e%2e/healthz",
            "/v1%2fchat%2fcompletions",
            "//v1/chat/completions",
            "/v1//chat/completions",
            "/v1/chat/completions%00",
            "/v1/chat/completions%0d%0aset-cookie:%20a=b",
            "/v1/chat/completions%0d%0a%0d%0aHTTP/1.1%20200%20OK",
            "/v1/chat/completions/..",
            "/v1/chat/completions;x=1",
            "/V1/Chat/Completions",
            "/v1/" + "a" * 8192,
            "/",
        ],
    )
    def test_C23_path_tricks(self, stage: Stage, path: str) -> None:
        answer = stage.ask(chat("fault/chat"), path=path)
        refused(answer, 404, "not_found")
        assert answer.header("set-cookie") is None

    @pytest.mark.parametrize("path", ["/v1%2fmodels", "//v1/models", "/v1/modelsx", "/v1%2fmodels/fault/chat"])
    def test_C23_path_tricks_with_the_catalogue(self, stage: Stage, path: str) -> None:
        refused(stage.ask(b"", method="GET", path=path), 404, "not_found")

    @pytest.mark.parametrize(
        "name", ["..", "../../etc/passwd", "%2e%2e", "a:b", "fault%2fnothing", "%0d%0ax:y", "%00", "%ff", "x" * 8000]
    )
    def test_C23_model_names_in_the_path(self, stage: Stage, name: str) -> None:
        answer = stage.ask(b"", method="GET", path=f"/v1/models/{name}")
        refused(answer, 404, "model_not_found", "model")

    @pytest.mark.parametrize("name", ["fault/chat", "fault%2Fchat", "fault%2fch%61t"])
    def test_C23_model_names_with_slashes_are_found(self, stage: Stage, name: str) -> None:
        answer = stage.ask(b"", method="GET", path=f"/v1/models/{name}")
        assert json.loads(answer.body)["id"] == "fault/chat"

    def test_C23_raw_control_bytes_in_the_target(self, stage: Stage) -> None:
        for bad in ("/v1/\0", "/v1/\x01models", "/v1/mo dels"):
            answer = stage.ask(b"", method="GET", path=bad)
            assert answer.status == 400

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("GET", "/v1/chat/completions", "POST"),
            ("PUT", "/v1/chat/completions", "POST"),
            ("POST", "/v1/models", "GET, HEAD"),
            ("DELETE", "/v1/models/fault/chat", "GET, HEAD"),
        ],
    )
    def test_methods_that_an_address_does_not_take(self, stage: Stage, method: str, path: str, allow: str) -> None:
        answer = stage.ask(b"", method=method, path=path)
        refused(answer, 405, "method_not_allowed")
        assert answer.header("allow") == allow
