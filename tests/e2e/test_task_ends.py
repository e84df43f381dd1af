"""What becomes of a task that is over: its files and their links, and its webhooks (SEC-25, SEC-27, P37)."""

import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from standardwebhooks.webhooks import Webhook

from tests.support.media import Client, Stage, lane, staged, video_model, wait_until

FAL = "fal/queue"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


@dataclass
class Hook:
    """A server that takes webhooks, and answers with the next of `answers`, or with 204."""

    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, str | None]] = field(default_factory=list)
    address: str = ""

    def about(self, id_: str) -> list[tuple[dict[str, str], bytes]]:
        """What was told of one task."""
        return [one for one in self.told if json.loads(one[1])["id"] == id_]


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    found = Hook()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status, location = found.answers.pop(0) if found.answers else (204, None)
            self.send_response(status)
            if location is not None:
                self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            found.told.append(({}, b'{"id":"followed"}'))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Not in the output of tests."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.address = f"127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, hook: Hook) -> Iterator[Stage]:
    models = {
        "filmer": video_model(lane(FAL, "video", "seconds=0")),
        "bad": video_model(lane(FAL, "video", "seconds=0", "fail")),
        "slow": video_model(lane(FAL, "video", "never")),
    }
    webhooks = {"secret": {"env": "HOOK_SECRET"}, "allow_hosts": [hook.address]}
    root = tmp_path_factory.mktemp("ends")
    with staged(root, (FAL,), models, {"HOOK_SECRET": SECRET}, webhooks=webhooks) as found:
        yield found


@pytest.fixture(scope="module")
def film(stage: Stage) -> str:
    """The link of a video that was made."""
    task = stage.client.until(stage.client.made(model="filmer", duration=3)["id"])
    link: str = task["output"]["video_url"]
    return link


def anyone(stage: Stage) -> Client:
    """A client without a key: a link is one."""
    return Client(stage.gateway.url, None)


def test_SEC27_a_link_is_all_that_a_file_needs_and_cannot_be_changed(stage: Stage, film: str) -> None:
    found = anyone(stage).get(film)
    assert (found.status, found.headers["content-type"]) == (200, "video/mp4")
    assert found.headers["x-content-type-options"] == "nosniff"
    expires = re.search(r"expires=(\d+)", film)
    assert expires is not None
    assert 86_000 < int(expires[1]) - time.time() <= 86_400
    other = film.replace(f"expires={expires[1]}", f"expires={int(expires[1]) + 1}")
    swapped = film[:-1] + ("A" if film[-1] != "A" else "B")
    elsewhere = film.replace("/0.mp4", "/1.mp4")
    for link in (other, swapped, elsewhere, urlsplit(film).path, film.replace("/v1/results/", "/v1/results/../")):
        assert anyone(stage).get(link).status == 404


def test_a_part_of_a_file_is_sent_alone(stage: Stage, film: str) -> None:
    whole = anyone(stage).get(film).body
    found = anyone(stage).get(film, {"range": "bytes=4-7"})
    assert (found.status, found.body) == (206, b"ftyp")
    assert found.headers["content-range"] == f"bytes 4-7/{len(whole)}"
    tail = anyone(stage).get(film, {"range": f"bytes={len(whole) - 9}-"})
    assert (tail.status, tail.body) == (206, whole[-9:])
    beyond = anyone(stage).get(film, {"range": f"bytes={len(whole)}-"})
    assert beyond.status == 416
    head = anyone(stage).ask("HEAD", film)
    assert (head.status, head.body, head.headers["accept-ranges"]) == (200, b"", "bytes")


def test_P37_a_webhook_is_signed_by_the_standard_and_repeated_until_it_is_taken(stage: Stage, hook: Hook) -> None:
    hook.answers = [(500, None), (204, None)]
    id_ = stage.client.made(model="filmer", duration=3, webhook_url=f"http://{hook.address}/hook")["id"]
    wait_until(lambda: len(hook.about(id_)) == 2)
    (first, body), (second, again) = hook.about(id_)
    assert body == again
    assert first["webhook-id"] == second["webhook-id"]
    task = Webhook(SECRET).verify(body, first)
    assert (task["id"], task["status"]) == (id_, "succeeded")
    assert task == stage.client.task(id_)
    wait_until(lambda: '"delivered"' in stage.run("tasks", "show", id_, "--json"))


def test_SEC25_a_redirect_is_not_followed(stage: Stage, hook: Hook) -> None:
    hook.answers = [(302, f"http://{hook.address}/elsewhere"), (204, None)]
    id_ = stage.client.made(model="bad", duration=3, webhook_url=f"http://{hook.address}/hook")["id"]
    wait_until(lambda: len(hook.about(id_)) == 2)
    assert json.loads(hook.about(id_)[0][1])["status"] == "failed"
    assert hook.about("followed") == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/hook",
        "http://169.254.169.254/latest/meta-data",
        "https://example.com/hook",
        "file:///etc/passwd",
        "http://user:word@{hook}/hook",
        "http://{hook}@127.0.0.1:9/",
        "no address",
    ],
)
def test_SEC25_an_address_that_is_not_allowed_is_refused_and_never_called(stage: Stage, hook: Hook, url: str) -> None:
    found = stage.client.create(model="slow", duration=3, webhook_url=url.replace("{hook}", hook.address))
    assert found.status in (400, 422), found.body
    assert found.json()["error"]["param"] == "webhook_url"


def test_a_file_is_gone_with_its_task(stage: Stage) -> None:
    task = stage.client.until(stage.client.made(model="filmer", duration=3)["id"])
    assert stage.client.ask("DELETE", f"/v1/videos/{task['id']}").status == 200
    assert anyone(stage).get(task["output"]["video_url"]).status == 404
