"""Results in a bucket, against a server that computes every signature again (contract 2.8)."""

import asyncio
import datetime
import hashlib
import os
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from nexusflow.ir.secret import Secret
from nexusflow.results import s3
from nexusflow.results.results import ResultsError, Stored
from nexusflow.results.s3 import S3Results, bucket_url
from nexusflow.results.sigv4 import Signer, encoded
from tests.support.answers import Server, http
from tests.support.s3 import BUCKET, S3Server, s3_server

TASK = "task_0192f0c4-7d3a-7cc1-8a55-0123456789ab"
NAME = f"{TASK}/0.png"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SIGNER = Signer("AKIDEXAMPLE", Secret(SECRET), "eu-west-1")
MOMENT = datetime.datetime(2026, 11, 23, 18, 4, 45, tzinfo=datetime.UTC)
FAR = 4_000_000_000_000


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(stored: Stored | None) -> bytes | None:
    return None if stored is None else b"".join([piece async for piece in stored.pieces])


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3Server) -> Iterator[S3Server]:
    """Emptied, and strict."""
    for key in running.keys():  # noqa: SIM118  # not a mapping
        running.client.delete_object(Bucket=BUCKET, Key=key)
    with running.strict():
        yield running


def results(server: S3Server, prefix: str = "", secret: str | None = None, bucket: str = BUCKET) -> S3Results:
    signer = Signer(server.access_key, Secret(secret or server.secret_key), "us-east-1")
    return S3Results(bucket_url(bucket, "us-east-1", server.endpoint), prefix, signer)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_FIRST_WAIT_S", 0.001)


class TestBucket:
    @pytest.mark.parametrize("prefix", ["", "media/", "a-b_c.d/x"])
    def test_what_is_put_is_what_is_opened(self, server: S3Server, prefix: str) -> None:
        parts = [os.urandom(size) for size in (1, 700_000, 0, 700_000)]

        async def use() -> None:
            store = results(server, prefix)
            assert await store.put(NAME, pieces(*parts), "image/png") == 1_400_001
            stored = await store.open(NAME)
            assert stored is not None
            assert stored[:2] == ("image/png", 1_400_001)
            assert await whole(stored) == b"".join(parts)
            assert await store.put(NAME, pieces(b"new"), "image/png") == 3
            assert await whole(await store.open(NAME)) == b"new"
            assert await store.open(f"{TASK}/1.png") is None

        asyncio.run(use())
        assert server.keys() == {prefix + NAME}
        assert server.client.head_object(Bucket=BUCKET, Key=prefix + NAME)["ContentType"] == "image/png"

    def test_an_empty_result_is_a_result(self, server: S3Server) -> None:
        async def use() -> bytes | None:
            assert await results(server).put(NAME, pieces(), "image/png") == 0
            return await whole(await results(server).open(NAME))

        assert asyncio.run(use()) == b""

    def test_U36_a_download_that_breaks_leaves_nothing(self, server: S3Server) -> None:
        async def breaking() -> AsyncIterator[bytes]:
            yield b"x" * 2_000_000
            raise RuntimeError("broken")

        with pytest.raises(RuntimeError, match="broken"):
            asyncio.run(results(server).put(NAME, breaking(), "image/png"))
        assert server.keys() == set()

    def test_delete(self, server: S3Server) -> None:
        async def use() -> None:
            store = results(server)
            await store.put(NAME, pieces(b"x"), "image/png")
            await store.delete(NAME)
            await store.delete(NAME)
            assert await store.open(NAME) is None

        asyncio.run(use())
        assert server.keys() == set()

    def test_expire_takes_our_objects_and_no_others(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        others = ("p/task_not ours & <so>.png", "p/notes.txt", f"q/{NAME}", NAME)
        for key in others:
            server.client.put_object(Bucket=BUCKET, Key=key, Body=b"x")

        async def use() -> None:
            store = results(server, "p/")
            for at in range(5):
                await store.put(f"{TASK}/{at}.mp4", pieces(b"x"), "video/mp4")
            assert await store.expire(0) == 0
            # Three objects to a page: the list goes on where a page ends.
            monkeypatch.setattr(s3, "encoded", lambda query: encoded([*query, ("max-keys", "3")]))
            assert await store.expire(FAR) == 5
            assert await store.expire(FAR) == 0

        asyncio.run(use())
        assert server.keys() == set(others)

    def test_a_wrong_key_is_told_to_the_operator_and_not_tried_again(self, server: S3Server) -> None:
        with pytest.raises(ResultsError, match=r"PUT .* status 403, SignatureDoesNotMatch") as failed:
            asyncio.run(results(server, secret=SECRET).put(NAME, pieces(b"x"), "image/png"))
        assert SECRET not in str(failed.value)
        assert server.keys() == set()

    def test_a_bucket_that_is_not_there(self, server: S3Server) -> None:
        store = results(server, bucket="elsewhere")
        with pytest.raises(ResultsError, match="no such bucket"):
            asyncio.run(store.put(NAME, pieces(b"x"), "image/png"))
        with pytest.raises(ResultsError, match="cannot be listed: status 404"):
            asyncio.run(store.expire(FAR))

    @pytest.mark.parametrize("name", ["../x.png", f"/{NAME}", "task_x/0.png", f"{NAME}?acl", ""])
    def test_no_other_name_reaches_the_bucket(self, server: S3Server, name: str) -> None:
        store = results(server)
        for call in (store.put(name, pieces(), "image/png"), store.open(name), store.delete(name)):
            with pytest.raises(ValueError, match="not "):
                asyncio.run(call)
        with pytest.raises(ValueError, match="not the name"):
            store.url(name, FAR, "")

    def test_anyone_can_follow_the_link(self, running: S3Server) -> None:
        store = results(running, "media/")
        asyncio.run(store.put(NAME, pieces(b"picture"), "image/png"))
        with urllib.request.urlopen(store.url(NAME, FAR, "https://gateway.example")) as answer:
            assert answer.read() == b"picture"
            assert answer.headers["content-type"] == "image/png"


def replies(*answers: bytes) -> Server:
    """A server that gives each of `answers` once, the last one for ever."""
    left = list(answers)
    return Server(lambda _: left.pop(0) if len(left) > 1 else left[0])


def at(address: str, **options: Any) -> S3Results:
    return S3Results(bucket_url("results", "eu-west-1", f"http://{address}"), "", SIGNER, **options)


@pytest.mark.usefixtures("impatient")
class TestFailures:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
    def test_what_may_pass_is_tried_again_with_the_whole_body(self, status: int) -> None:
        server = replies(http(b"", status=f"{status} Such"), b"", http(b""))
        assert server.run(lambda to: at(to).put(NAME, pieces(b"abc", b"def"), "image/png")) == 6
        assert server.bodies == [b"abcdef"] * 3

    @pytest.mark.parametrize("status", [301, 400, 403, 412, 501])
    def test_what_will_not_is_not(self, status: int) -> None:
        server = replies(http(b"<Error><Code>Refused</Code></Error>", status=f"{status} Such"))
        with pytest.raises(ResultsError, match=f"status {status}, Refused"):
            server.run(lambda to: at(to).put(NAME, pieces(b"x"), "image/png"))
        assert server.connections == 1

    @pytest.mark.parametrize("use", [lambda store: store.open(NAME), lambda store: store.expire(0)])
    def test_after_four_times_it_is_an_error(self, use: Callable[[S3Results], Any]) -> None:
        server = replies(http(b"<Code>SlowDown</Code>", status="503 Slow Down"))
        with pytest.raises(ResultsError, match="status 503, SlowDown"):
            server.run(lambda to: use(at(to)))
        assert server.connections == 4

    def test_a_bucket_that_is_silent_is_given_up(self) -> None:
        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            await reader.read()
            writer.close()

        async def main() -> None:
            silent = await asyncio.start_server(hear, "127.0.0.1", 0)
            port = silent.sockets[0].getsockname()[1]
            with pytest.raises(ResultsError, match="TimeoutError"):
                await at(f"127.0.0.1:{port}", idle_s=0.05).delete(NAME)
            silent.close()

        asyncio.run(main())

    def test_nobody_listens(self) -> None:
        with pytest.raises(ResultsError, match="GET to the bucket of results failed"):
            asyncio.run(at("127.0.0.1:1").open(NAME))

    def test_the_digest_of_the_body_is_signed(self) -> None:
        server = replies(http(b""))
        server.run(lambda to: at(to).put(NAME, pieces(b"abc", b"def"), "image/png"))
        assert f"x-amz-content-sha256: {hashlib.sha256(b'abcdef').hexdigest()}\r\n" in server.heads[0]
        assert "SignedHeaders=content-length;content-type;host;x-amz-content-sha256;x-amz-date," in server.heads[0]

    @pytest.mark.parametrize("reads", [0, 1])
    def test_what_is_opened_and_not_read_holds_no_connection(self, reads: int) -> None:
        async def main() -> None:
            closed = asyncio.Event()

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
                assert await reader.read() == b""
                closed.set()
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            stored = await at(f"127.0.0.1:{server.sockets[0].getsockname()[1]}").open(NAME)
            assert stored is not None
            for _ in range(reads):
                assert await anext(stored.pieces) == b"abc"
            await stored.pieces.aclose()
            await asyncio.wait_for(closed.wait(), 20)
            server.close()

        asyncio.run(main())

    def test_an_object_that_breaks_off_is_no_object(self) -> None:
        async def use(to: str) -> None:
            await whole(await at(to).open(NAME))

        with pytest.raises(ResultsError, match="broke off"):
            replies(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").run(use)


class TestSignature:
    """Against the vendor's own implementation."""

    def theirs(self, request: AWSRequest, monkeypatch: pytest.MonkeyPatch, auth: Any) -> Any:
        """`request` as it signs it, at the moment that our signature names."""
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: MOMENT)
        auth.add_auth(request)
        return request

    @pytest.mark.parametrize(
        ("method", "url", "body"),
        [
            ("GET", "https://results.s3.eu-west-1.amazonaws.com/media/a-b_c.d~e/0.png", b""),
            ("PUT", "http://127.0.0.1:9000/results/x%20y/0.png", b"content"),
            ("DELETE", "https://storage.example/base/results/x", b""),
            ("GET", "https://storage.example/results/?" + encoded([("prefix", "a/b c+d"), ("list-type", "2")]), b""),
            ("GET", "https://storage.example/results/?" + encoded([("continuation-token", "1/+= &\u00e9~")]), b""),
        ],
    )
    def test_headers(self, method: str, url: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        extra = {"content-type": "image/png", "content-length": str(len(body))} if body else {}
        sha256 = hashlib.sha256(body).hexdigest()
        ours = SIGNER.headers(method, url, MOMENT.timestamp(), sha256, extra)
        parts = urlsplit(url)
        request = AWSRequest(method, f"{parts.scheme}://{parts.netloc}{parts.path}", headers=extra, data=body)
        request.params = dict(parse_qsl(parts.query))
        request.context["payload_signing_enabled"] = True
        auth = S3SigV4Auth(Credentials("AKIDEXAMPLE", SECRET), "s3", "eu-west-1")
        signed = self.theirs(request, monkeypatch, auth)
        assert ours["authorization"] == signed.headers["Authorization"]
        assert ours["x-amz-date"] == "20261123T180445Z"

    def test_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        base = bucket_url("results", "eu-west-1", None)
        store = S3Results(base, "media/", SIGNER, clock=MOMENT.timestamp)
        ours = store.url(NAME, int((MOMENT.timestamp() + 3600) * 1000), "https://gateway.example")
        auth = S3SigV4QueryAuth(Credentials("AKIDEXAMPLE", SECRET), "s3", "eu-west-1", expires=3600)
        signed = self.theirs(AWSRequest("GET", f"{base}/media/{NAME}"), monkeypatch, auth)
        assert dict(parse_qsl(urlsplit(ours).query)) == dict(parse_qsl(urlsplit(signed.url).query))
        assert ours.partition("?")[0] == f"{base}/media/{NAME}"

    @pytest.mark.parametrize(("left", "told"), [(-5, "1"), (0.5, "1"), (86_400, "86400"), (10**9, "604800")])
    def test_a_link_holds_for_seven_days_at_most(self, left: float, told: str) -> None:
        store = S3Results("https://x.example/b", "", SIGNER, clock=lambda: 1_000.0)
        assert f"X-Amz-Expires={told}&" in store.url(NAME, int((1_000 + left) * 1000), "")

    def test_nothing_shows_the_secret(self) -> None:
        assert SECRET not in repr(SIGNER)


@pytest.mark.parametrize(
    ("bucket", "region", "endpoint", "url"),
    [
        ("results", "eu-west-1", None, "https://results.s3.eu-west-1.amazonaws.com"),
        ("results", "cn-north-1", None, "https://results.s3.cn-north-1.amazonaws.com.cn"),
        ("my.results", "eu-west-1", None, "https://s3.eu-west-1.amazonaws.com/my.results"),
        ("results", "auto", "https://storage.example:9000", "https://storage.example:9000/results"),
        ("results", "auto", "http://127.0.0.1:9000/base/", "http://127.0.0.1:9000/base/results"),
    ],
)
def test_where_a_bucket_is(bucket: str, region: str, endpoint: str | None, url: str) -> None:
    assert bucket_url(bucket, region, endpoint) == url
