"""A key that is bound to an address, behind a reverse proxy and without one (SEC-54)."""

import json
from pathlib import Path

from nexusflow.testing.gateway import nexusflow, running_gateway
from nexusflow.testing.ports import free_port
from tests.faults.raw import Connection, wait_until
from tests.support.admin import admin_spec


def status(url: str, key: str, forwarded: str | None) -> int:
    claimed = f"x-forwarded-for: {forwarded}\r\n" if forwarded else ""
    with Connection(url) as connection:
        connection.send(f"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{claimed}\r\n".encode())
        return connection.answer().status


def run(tmp_path: Path, proxies: list[str]) -> tuple[int, int, int]:
    """What a key of 203.0.113.0/24 gets directly, and through a proxy for a right and for a wrong client."""
    document = json.loads(admin_spec(free_port()))
    document["gateway"] = {**document.get("gateway", {}), "trusted_proxies": proxies}
    with running_gateway(json.dumps(document), tmp_path) as gateway:
        command = ("keys", "create", "--name", "bound", "--ip", "203.0.113.0/24", "--quiet")
        key = nexusflow(*command, root=tmp_path).stdout.strip()
        assert wait_until(lambda: status(gateway.url, key, None) != 401)
        return (
            status(gateway.url, key, None),
            status(gateway.url, key, "198.51.100.1, 203.0.113.9"),
            status(gateway.url, key, "203.0.113.9, 198.51.100.1"),
        )


def test_a_trusted_proxy_says_who_the_client_is(tmp_path: Path) -> None:
    assert run(tmp_path, ["127.0.0.0/8"]) == (403, 200, 403)


def test_without_trust_nobody_is_believed(tmp_path: Path) -> None:
    assert run(tmp_path, []) == (403, 403, 403)
