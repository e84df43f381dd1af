"""Webhooks: signed as Standard Webhooks says, to public addresses, tried again for a day (SEC-25, contract 2.8)."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.secret import Secret
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.webhook import Delivery, check_url, deliver, headers, next_attempt_s, sign, signing_key
from tests.support.answers import Server, http, redirect

KEY = bytes(range(32))
PLAIN = Secret(base64.b64encode(KEY).decode())
PREFIXED = Secret("whsec_" + base64.b64encode(KEY).decode())


@pytest.mark.parametrize("secret", [PLAIN, PREFIXED])
class TestSignature:
    def test_SEC25_it_is_an_hmac_over_id_time_and_body(self, secret: Secret) -> None:
        mac = hmac.new(KEY, b'evt_1.1700000000.{"a":1}', hashlib.sha256).digest()
        assert sign(secret, "evt_1", 1_700_000_000, b'{"a":1}') == "v1," + base64.b64encode(mac).decode()

    def test_SEC25_the_reference_library_verifies_what_is_sent(self, secret: Secret) -> None:
        now = int(time.time())
        body = '{"object": "task", "prompt": "\u00e9\u4e2d"}'.encode()
        sent = headers(secret, "evt_1", now, body)
        Webhook(secret.reveal()).verify(body.decode(), sent)
        for changed in ({"webhook-id": "evt_2"}, {"webhook-timestamp": str(now + 1)}):
            with pytest.raises(Exception, match="No matching signature"):
                Webhook(secret.reveal()).verify(body.decode(), {**sent, **changed})
        with pytest.raises(Exception, match="No matching signature"):
            Webhook(secret.reveal()).verify(body.decode() + " ", sent)

    def test_what_is_said_beside_the_body(self, secret: Secret) -> None:
        sent = headers(secret, "evt_1", 1_700_000_000, b"{}")
        assert sent.pop("webhook-signature").startswith("v1,")
        assert sent == {
            "content-type": "application/json",
            "user-agent": "nexusflow",
            "webhook-id": "evt_1",
            "webhook-timestamp": "1700000000",
        }


@given(st.binary(min_size=24, max_size=64), st.text(), st.integers(0, 2**40), st.binary())
def test_SEC25_every_message_is_signed_as_an_independent_computation_does(
    key: bytes, name: str, at: int, body: bytes
) -> None:
    signed = name.encode() + b"." + str(at).encode() + b"." + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert sign(Secret(base64.b64encode(key).decode()), name, at, body) == f"v1,{expected}"


@pytest.mark.parametrize("text", ["", "whsec_", "password", "not base64 at all, but long enough", "whsec_YWJj"])
def test_a_secret_that_receivers_would_read_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be base64 of at least 24 bytes") as refused:
        signing_key(Secret(text))
    assert "password" not in str(refused.value)


GOOD = "https://hooks.example.com/nexusflow?x=1"
BAD = (
    "", "hooks.example.com", "ftp://hooks.example.com/", "http://hooks.example.com/", "https://user@hooks.example.com/",
    "https://user:pw@hooks.example.com/", "https://hooks.example.com:8443/", "https:///x", "https://h\u00e9.example/",
    "https://hooks.example.com/a b", "https://hooks.example.com\\@127.0.0.1/", "https://hooks.example.com/\r\nx: y",
    "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "https://[fd00:ec2::254]/", "https://[fe80::1]/",
    "https://hooks.example.com/" + "x" * 2_023,
)  # fmt: skip


class TestAddresses:
    def refused(self, url: str, hosts: tuple[str, ...] | None = None) -> str:
        with pytest.raises(RequestRefused) as refused:
            check_url(url, hosts)
        assert refused.value.problem.param == "webhook_url"
        assert refused.value.problem.kind is Kind.PARAM
        return refused.value.problem.message

    def test_a_public_https_address_is_taken(self) -> None:
        for url in (GOOD, "https://hooks.example.com", "https://8.8.8.8/", "https://hooks.example.com:443/"):
            check_url(url, None)
        check_url("https://hooks.example.com/" + "x" * 2_022, None)

    @pytest.mark.parametrize("url", BAD)
    def test_SEC20_others_are_refused_with_the_parameter(self, url: str) -> None:
        self.refused(url)

    def test_where_hosts_are_listed_no_other_is_called(self) -> None:
        listed = ("hooks.example.com",)
        check_url(GOOD, listed)
        check_url("http://hooks.example.com/", listed)
        for url in ("https://x.hooks.example.com/", "https://example.com/", "https://hooks.example.com.evil.example/"):
            assert "does not call" in self.refused(url, listed)
        self.refused("https://hooks.example.com:8443/", listed)
        self.refused(GOOD, ())

    def test_an_own_server_is_listed_with_its_port(self) -> None:
        check_url("http://127.0.0.1:9000/", ("127.0.0.1:9000",))
        check_url("http://[::1]:9000/", ("[::1]:9000",))
        check_url("http://hooks.internal:9000/", ("hooks.internal:9000",))
        self.refused("http://127.0.0.1:9001/", ("127.0.0.1:9000",))
        assert "public" in self.refused("http://127.0.0.1/", ("127.0.0.1",))

    @given(st.text() | st.text().map("https://".__add__))
    def test_any_text_is_taken_or_refused(self, url: str) -> None:
        with contextlib.suppress(RequestRefused):
            check_url(url, None)


class TestDelivery:
    def delivered(self, server: Server, *, listed: bool = True, fetcher: Fetcher | None = None) -> Delivery:
        async def use(at: str) -> Delivery:
            return await deliver(
                fetcher or Fetcher(),
                f"http://{at}/hook",
                b'{"object":"task"}',
                secret=PREFIXED,
                id="evt_1",
                timestamp_s=int(time.time()),
                allow_hosts=(at,) if listed else None,
            )

        found: Delivery = server.run(use)
        return found

    def test_SEC25_a_receiver_can_verify_what_arrives(self) -> None:
        server = Server(lambda _: http(b"ok"))
        assert self.delivered(server) == Delivery(200)
        first, *lines = server.heads[0].strip().split("\r\n")
        assert first == "POST /hook HTTP/1.1"
        arrived = dict(line.split(": ", 1) for line in lines)
        assert arrived["content-type"] == "application/json"
        assert Webhook(PREFIXED.reveal()).verify(server.bodies[0].decode(), arrived) == {"object": "task"}

    @pytest.mark.parametrize(("status", "ok"), [(200, True), (204, True), (302, False), (410, False), (500, False)])
    def test_only_a_2xx_is_a_delivery_and_a_redirect_is_none(self, status: int, ok: bool) -> None:
        server = Server(lambda _: redirect("/elsewhere", f"{status} Such"))
        delivery = self.delivered(server)
        assert (delivery.status, delivery.ok) == (status, ok)
        assert server.connections == 1

    def test_SEC27_no_answer_is_an_error_that_tells_nothing(self) -> None:
        delivery = self.delivered(Server(lambda _: b""))
        assert delivery == Delivery(None, "the address could not be fetched")
        assert not delivery.ok

    def test_an_address_that_is_no_longer_allowed_is_not_called(self) -> None:
        server = Server(lambda _: http())
        delivery = self.delivered(server, listed=False, fetcher=Fetcher(http=True))
        assert (delivery.status, delivery.ok) == (None, False)
        assert server.connections == 0


class TestSchedule:
    def test_SEC25_attempts_end_within_a_day(self) -> None:
        waits: list[float] = []
        while (wait := next_attempt_s(len(waits) + 1)) is not None:
            waits.append(wait)
        assert len(waits) == 10
        assert 4 <= waits[0] <= 5
        assert 16 * 3600 < sum(waits) < 24 * 3600
        assert all(2 * later > earlier for earlier, later in itertools.pairwise(waits))

    def test_two_receivers_are_not_met_at_once(self) -> None:
        assert len({next_attempt_s(5) for _ in range(20)}) > 1
        assert all(0.8 * 1_800 <= (next_attempt_s(5) or 0) <= 1_800 for _ in range(200))
