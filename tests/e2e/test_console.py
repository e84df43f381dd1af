"""The console in a real browser, on a gateway that works: every page and every flow (SEC-08, SEC-15, SEC-75)."""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from nexusflow.testing.gateway import nexusflow
from tests.support.browser import running_browser
from tests.support.media import Stage, lane, staged, video_model, wait_until

FAL, CHAT = "fal/queue", "openai/chat-completions"
HELLO = [{"role": "user", "content": "Hello"}]
PAGES = (
    *("", "models/", "models/talker", "calls/", "tasks/", "accounts/", "keys/", "limits/", "money/", "config/"),
    *("audit/", "operators/"),
)
ROLES = ("viewer", "finance", "operator")
TOKEN = re.compile(r"nf-op-\w+")


def chat_model(name: str) -> dict[str, Any]:
    return {
        "owner": "test",
        "category": "language",
        "supported_protocols": [CHAT],
        "max_output_tokens": 100,
        "price": {"input": "1", "output": "2"},
        "lanes": [{"provider": "openai", "model": name}],
    }


@dataclass(frozen=True, slots=True)
class Console:
    """A gateway with traffic, a browser, and the tokens of its operators."""

    stage: Stage
    browser: Browser
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return f"{self.stage.gateway.url}/console/"

    def signed_in(self, role: str = "owner", **context: Any) -> Page:
        """A page of somebody in that role."""
        page = self.browser.new_context(**context).new_page()
        page.set_default_timeout(30_000)
        page.goto(self.url)
        page.get_by_label("Operator's token").fill(self.tokens[role])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="The last 24 hours")).to_be_visible()
        return page

    def call(self, model: str = "talker", key: str | None = None) -> int:
        body = {"model": model, "messages": HELLO, "stream": True}
        headers = {"authorization": f"Bearer {key or self.stage.gateway.key}"}
        return self.stage.client.ask("POST", "/v1/chat/completions", body, headers).status

    def post(self, path: str, fields: dict[str, str], headers: dict[str, str], at: str = "127.0.0.1") -> int:
        """The status of a form sent from `at` by something that is no browser."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, 30, (at, 0))
        try:
            form = {"content-type": "application/x-www-form-urlencoded", **headers}
            connection.request("POST", f"/console/{path}", urlencode(fields), form)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    models = {
        "talker": chat_model("chat"),
        "broken": chat_model("fault-500"),
        "film": video_model(lane(FAL, "video", "queue=60")),
    }
    limits = {"default": {"rpm": 10_000}}
    with staged(tmp_path_factory.mktemp("console"), (FAL, CHAT), models, limits=limits) as stage:
        root = stage.gateway.root
        [first] = set(TOKEN.findall(stage.gateway.log.read_text()))
        tokens = {"owner": first}
        for role in ROLES:
            made = nexusflow("operators", "create", role, "--role", role, "--quiet", root=root)
            assert made.returncode == 0, made.stderr
            tokens[role] = made.stdout.strip()
        with running_browser() as browser:
            found = Console(stage, browser, tokens)
            assert [found.call() for _ in range(5)] == [200] * 5
            assert found.call("broken") >= 500
            assert stage.client.create(model="film", duration=5).status == 202
            yield found


def test_SEC75_whoever_has_no_token_sees_nothing_but_the_door(console: Console) -> None:
    page = console.browser.new_page()
    for path in PAGES:
        page.goto(console.url + path)
        assert page.url == f"{console.url}sign-in"
    page.get_by_label("Operator's token").fill("nf-op-" + "0" * 49)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Nobody has this token.")


def test_SEC75_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use_and_signing_out_ends_it(
    console: Console,
) -> None:
    page = console.signed_in()
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    secret = f"{cookie['name']}={cookie['value']}"
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.context.cookies() == []
    # Neither does what was kept of it open anything any more.
    page.context.set_extra_http_headers({"cookie": secret})
    page.goto(console.url)
    assert page.url.endswith("/sign-in")


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}])
def test_SEC75_what_other_sites_make_a_browser_send_changes_nothing(console: Console, headers: dict[str, str]) -> None:
    page = console.signed_in()
    [cookie] = page.context.cookies()
    sent = {**headers, "cookie": f"{cookie['name']}={cookie['value']}"}
    assert console.post("accounts/", {"name": "forged"}, sent) == 403
    page.goto(f"{console.url}accounts/")
    expect(page.get_by_text("forged")).to_have_count(0)


def test_SEC75_answers_forbid_frames_foreign_scripts_and_copies(console: Console) -> None:
    headers = console.stage.client.get("/console/sign-in").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store")


def test_SEC75_tokens_cannot_be_tried_out(console: Console) -> None:
    """From another address than the browser's, so that nobody else is kept out by this test."""
    page = console.signed_in()
    same = {"sec-fetch-site": "same-origin"}
    found = [console.post("sign-in", {"token": f"nf-op-{number}"}, same, "127.0.0.2") for number in range(7)]
    assert found == [403] * 5 + [429] * 2
    page.goto(f"{console.url}keys/")  # who is in stays in
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_sound_in_itself(console: Console, scheme: str) -> None:
    """Nothing comes from elsewhere, nothing fails, and axe finds no serious barrier to those who cannot see."""
    page = console.signed_in(color_scheme=scheme)
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: failed.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: failed.append(str(error)))
    for path in PAGES:
        page.goto(console.url + path)
        if path == "money/":
            expect(page.get_by_text("What was proven")).to_be_visible()
        page.wait_for_load_state("networkidle")
        found = Axe().run(page).response["violations"]
        assert [one for one in found if one["impact"] in ("serious", "critical")] == [], path
        assert page.locator("nav a[aria-current=page]").count() == 1, path
    assert failed == []
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(console.url).netloc}


def test_the_overview_says_what_the_call_log_says(console: Console) -> None:
    def figures() -> tuple[int, int]:
        calls = console.stage.client.get("/v1/requests?limit=200").json()["data"]
        return len(calls), sum(one["status"] >= 500 or one["outcome"] == "broken" for one in calls)

    def shown(page: Page) -> tuple[int, int]:
        page.goto(console.url)
        tiles = page.locator(".tile")
        requests, failed = tiles.nth(0).locator("p").inner_text(), tiles.nth(1).locator("small").inner_text()
        return int(requests), int(failed.split()[0])

    page = console.signed_in()
    wait_until(lambda: shown(page) == figures())  # figures are at most 20 seconds old
    expect(page.locator(".chart canvas")).to_have_count(2)
    expect(page.get_by_role("link", name="talker")).to_be_visible()


def test_a_key_is_made_used_seen_and_ended(console: Console) -> None:
    page = console.signed_in("operator")
    page.goto(f"{console.url}keys/")
    page.get_by_label("Name").fill("from-the-console")
    page.get_by_role("button", name="Make a key").click()
    secret = page.locator(".secret").inner_text()
    wait_until(lambda: console.call(key=secret) == 200)
    page.goto(f"{console.url}keys/")
    assert page.get_by_text(secret).count() == 0  # it is shown once
    row = page.locator("tr", has_text="from-the-console")
    expect(row.get_by_text("active")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End from-the-console").click()
    expect(row.get_by_text("revoked")).to_be_visible()
    wait_until(lambda: console.call(key=secret) == 401)
    page.goto(f"{console.url}audit/")
    expect(page.locator("tr", has_text="key.revoke").first).to_contain_text("operator:operator")


def test_a_call_is_found_with_what_was_posted_for_it(console: Console) -> None:
    page = console.signed_in("viewer")
    page.goto(f"{console.url}calls/")
    page.get_by_label("Model").fill("talker")
    page.get_by_role("button", name="Show").click()
    wait_until(lambda: page.reload() is not None and page.locator("tbody a").count() >= 5)
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", name="What was posted for it")).to_be_visible()
    expect(page.locator("tbody tr", has_text="charge")).to_contain_text("revenue")


def test_an_organisation_is_made_paid_for_once_and_suspended(console: Console) -> None:
    page = console.signed_in()
    page.goto(f"{console.url}accounts/")
    page.get_by_label("Name").fill("acme")
    page.get_by_role("button", name="Make an organisation").click()
    page.get_by_label("Amount for acme").fill("12.50")
    page.get_by_label("Memo for acme").fill("invoice 7")
    form = page.locator("tr", has_text="acme").locator("form").first
    once, action = form.locator("[data-once]").input_value(), form.get_attribute("action") or ""
    form.get_by_role("button", name="Pay in").click()
    expect(page.locator("tr", has_text="acme").locator("td").nth(6)).to_have_text("12.50")
    # The same form, sent again by an impatient finger.
    again = {"amount": "12.50", "memo": "invoice 7", "once": once}
    assert page.request.post(action_url(console, action), form=again, headers={"origin": origin(console)}).status == 200
    page.reload()
    expect(page.locator("tr", has_text="acme").locator("td").nth(6)).to_have_text("12.50")
    page.get_by_role("button", name="suspend acme").click()
    expect(page.locator("tr", has_text="acme")).to_contain_text("suspended")
    page.goto(f"{console.url}money/")
    expect(page.get_by_text("adds up")).to_be_visible()


def action_url(console: Console, path: str) -> str:
    return origin(console) + path


def origin(console: Console) -> str:
    return f"http://{urlsplit(console.url).netloc}"


def test_a_request_for_more_is_granted(console: Console) -> None:
    asked = console.stage.client.ask("POST", "/v1/limit-requests", {"rpm": 20_000, "reason": "a launch"})
    assert asked.status < 300, asked.body
    page = console.signed_in("operator")
    page.goto(f"{console.url}limits/")
    page.get_by_role("button", name=re.compile("Grant")).click()
    expect(page.locator("tbody tr").first).to_contain_text("approved")
    wait_until(lambda: b"20000" in console.stage.client.get("/v1/limits").body)


def test_a_task_is_seen_and_cancelled(console: Console) -> None:
    id_ = console.stage.client.made(model="film", duration=5)["id"]
    page = console.signed_in("operator")
    page.goto(f"{console.url}tasks/?model=film")
    page.get_by_role("link", name=id_[-8:]).click()
    page.get_by_role("button", name="Cancel it").click()
    console.stage.client.until(id_, "cancelled")
    page.reload()
    expect(page.locator("dl")).to_contain_text("cancelled")


def test_a_pasted_file_is_judged_and_compared(console: Console) -> None:
    page = console.signed_in("viewer")
    page.goto(f"{console.url}config/")
    text = (console.stage.gateway.root / "gateway.yaml").read_text()
    page.get_by_label("gateway.yaml").fill(text)
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("Nothing would change.")).to_be_visible()
    changed = json.loads(text)
    changed["models"]["newcomer"] = changed["models"].pop("talker")
    page.get_by_label("gateway.yaml").fill(json.dumps(changed))
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("model newcomer would be added")).to_be_visible()
    expect(page.get_by_text("model talker would be gone")).to_be_visible()
    page.get_by_label("gateway.yaml").fill("version: 1\nproviders: {}\nmodles: {}\n")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_label("What the compiler says")).to_contain_text("gateway.yaml:3:1")


FORBIDDEN: list[tuple[str, str, Callable[[], dict[str, str]]]] = [
    ("viewer", "keys/", lambda: {"name": "x", "org": "default"}),
    ("viewer", "accounts/", lambda: {"name": "x"}),
    ("finance", "keys/", lambda: {"name": "x", "org": "default"}),
    ("finance", "limits/lrq_x/approve", dict),
    ("operator", "accounts/default/credit", lambda: {"amount": "1", "memo": "m"}),
    ("operator", "operators/", lambda: {"name": "x", "role": "owner"}),
    ("viewer", "tasks/task_x/cancel", dict),
]


@pytest.mark.parametrize(("role", "path", "fields"), FORBIDDEN)
def test_a_role_may_do_no_more_than_it_says(
    console: Console, role: str, path: str, fields: Callable[[], dict[str, str]]
) -> None:
    page = console.signed_in(role)
    done = page.request.post(console.url + path, form=fields(), headers={"origin": origin(console)})
    assert done.status == 403
    assert f"A {role} may not do that" in done.text()
    if role == "viewer":
        page.goto(console.url + path.partition("/")[0] + "/")
        expect(page.locator("main form[method=post]")).to_have_count(0)


def test_an_operator_is_made_and_a_new_token_ends_the_sessions_of_the_one_before(console: Console) -> None:
    owner = console.signed_in()
    owner.goto(f"{console.url}operators/")
    owner.get_by_label("Name").fill("maria")
    owner.get_by_label("Role").select_option("finance")
    owner.get_by_role("button", name="Make an operator").click()
    console.tokens["maria"] = owner.locator(".secret").inner_text()
    maria = console.signed_in("maria")
    owner.get_by_role("button", name="New token for maria").click()
    assert owner.locator(".secret").inner_text() != console.tokens["maria"]
    maria.reload()
    assert maria.url.endswith("/sign-in")
    owner.on("dialog", lambda dialog: dialog.accept())
    owner.get_by_role("button", name="Remove owner").click()
    expect(owner.get_by_role("alert")).to_contain_text("last owner")
