"""The admin API over HTTP: an organisation's whole life, rights, its OpenAPI document, and bad input."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import openai
import pytest

from nexusflow.ir.money import as_nano
from nexusflow.testing.faulty import Provider, running, unary
from nexusflow.testing.gateway import Gateway, running_gateway
from tests.faults.raw import wait_until
from tests.support.admin import Admin, admin_of, admin_spec

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200}
PRICE = 1_000 * 2_000 + 200 * 8_000  # nano-units
ANSWER = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running({"chat": (unary(json.dumps(ANSWER).encode()),)}) as provider:
        yield provider


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(admin_spec(provider.port), tmp_path_factory.mktemp("admin")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Admin:
    return admin_of(gateway)


@pytest.fixture(scope="module")
def reader(gateway: Gateway) -> Admin:
    return admin_of(gateway, "read")


def client(gateway: Gateway, key: str) -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=gateway.openai_base_url, max_retries=0)


def chat(gateway: Gateway, key: str, model: str = "chat") -> str:
    """The id of one call."""
    raw = client(gateway, key).chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "Hello"}]
    )
    return str(raw.headers["x-request-id"])


def refusal(gateway: Gateway, key: str, model: str = "chat") -> tuple[int, str] | None:
    """Status and code of a call that is refused."""
    try:
        chat(gateway, key, model)
    except openai.APIStatusError as error:
        return error.status_code, str(error.code)
    return None


def test_L04_L65_the_whole_life_of_an_organisation(gateway: Gateway, admin: Admin) -> None:
    before = admin.get("/audit?limit=1")["data"][0]["id"]
    org = admin.post("/organisations", name="acme", plan="team")
    assert (org["name"], org["plan"], org["status"]) == ("acme", "team", "active")
    credit = admin.post("/organisations/acme/credits", amount="10", source="bank", memo="June", id="invoice-1")
    assert (
        admin.post("/organisations/acme/credits", amount="10.00", source="bank", memo="June", id="invoice-1") == credit
    )
    team = admin.post("/teams", org="acme", name="research")
    user = admin.post("/users", org="acme", name="bob")
    made = admin.post("/keys", name="laptop", org="acme", team="research", owner="bob", scopes={"models": ["chat"]})
    secret = made.pop("secret")
    assert (made["org"], made["team"], made["owner"]) == (org["id"], team["id"], user["id"])
    assert secret not in json.dumps(made)
    budget = admin.post("/budgets", scope="key", subject=made["id"], amount="5", period="day")

    assert wait_until(lambda: refusal(gateway, secret) is None)
    assert refusal(gateway, secret, "other") == (403, "model_not_allowed")
    last = chat(gateway, secret)
    assert wait_until(lambda: admin.ask("GET", f"/calls/{last}").status == 200)
    calls = [one for one in admin.get("/calls?org=acme")["data"] if one["status"] == 200]
    spent = len(calls) * PRICE
    assert wait_until(lambda: as_nano(admin.get("/organisations/acme/balance")["spent"]) == spent)
    assert {as_nano(one["amount"]) for one in calls} == {PRICE}
    [line] = admin.get("/usage?group_by=key,model&org=acme")["data"]
    assert (line["key"], line["model"], line["requests"]) == (made["id"], "chat", len(calls))
    assert as_nano(line["charged"]) == spent
    assert as_nano(admin.get(f"/budgets/{budget['id']}")["spent"][0]["spent"]) == spent
    assert wait_until(lambda: admin.get(f"/keys/{made['id']}")["calls"] >= len(calls))

    refund = admin.post("/refunds", request=last, reason="bad answer")
    assert as_nano(refund["amount"]) == PRICE
    again = admin.ask("POST", "/refunds", request=last, reason="bad answer")
    assert (again.status, again.error["code"], again.error["param"]) == (409, "money_refused", "amount")
    admin.post("/organisations/acme/adjustments", amount="-1", reason="fee")
    assert_statement(admin, credited=9 * 10**9, charged=spent, refunded=PRICE)

    admin.post("/organisations/acme/suspend")
    assert wait_until(lambda: refusal(gateway, secret) == (403, "account_suspended"))
    admin.post("/organisations/acme/resume")
    assert wait_until(lambda: refusal(gateway, secret) is None)
    rotated = admin.post(f"/keys/{made['id']}/rotate", grace_seconds=0)
    assert rotated["id"] == made["id"]
    assert wait_until(lambda: refusal(gateway, rotated["secret"]) is None)
    assert wait_until(lambda: refusal(gateway, secret) == (401, "invalid_api_key"))
    admin.post(f"/keys/{made['id']}/revoke")
    assert wait_until(lambda: refusal(gateway, rotated["secret"]) == (401, "invalid_api_key"))
    assert admin.ask("DELETE", f"/budgets/{budget['id']}").status == 200
    assert admin.ask("GET", f"/budgets/{budget['id']}").status == 404
    proof = admin.get("/ledger/proof")
    assert proof["holds"], [one for one in proof["invariants"] if not one["holds"]]
    assert_trail(admin, before, (secret, rotated["secret"], admin.key or ""))


def assert_statement(admin: Admin, *, credited: int, charged: int, refunded: int) -> None:
    """This month's statement, in both forms, has these sums and equals the balance."""
    month = datetime.now(UTC).strftime("%Y-%m")
    found = admin.get(f"/organisations/acme/statements/{month}")
    names = ("opening", "credited", "charged", "refunded", "closing")
    sums = [as_nano(found[name]) for name in names]
    assert sums == [0, credited, charged, refunded, credited - charged + refunded]
    assert found["closing"] == admin.get("/organisations/acme/balance")["balance"]
    reply = admin.ask("GET", f"/organisations/acme/statements/{month}/csv")
    assert reply.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(reply.body)))
    assert sum(as_nano(row[-1]) for row in rows[2:-1]) == as_nano(rows[-1][-1]) == as_nano(found["closing"])


def assert_trail(admin: Admin, before: str, secrets: tuple[str, ...]) -> None:
    """SEC-58: every change since the entry `before`, in order, by this key, and no secret."""
    newest = admin.get("/audit?limit=500")["data"]
    entries = [one for one in reversed(newest) if one["id"] > before]
    assert [one["action"] for one in entries] == [
        "organisation.create", "money.credit", "team.create", "user.create", "key.create", "budget.create",
        "money.refund", "money.adjust", "organisation.suspend", "organisation.resume", "key.rotate", "key.revoke",
        "budget.remove",
    ]  # fmt: skip
    actors = {one["actor"] for one in entries}
    assert len(actors) == 1
    [actor] = actors
    assert admin.get(f"/keys/{actor.removeprefix('key:')}")["scopes"]["admin"] == "write"
    for secret in secrets:
        assert secret not in json.dumps(newest)


def test_SEC57_rights(gateway: Gateway, admin: Admin, reader: Admin) -> None:
    assert reader.ask("GET", "/organisations").status == 200
    denied = reader.ask("POST", "/organisations", name="never")
    assert (denied.status, denied.error["code"]) == (403, "admin_not_allowed")
    for method in ("PATCH", "DELETE", "OPTIONS"):
        assert reader.ask(method, "/organisations/default").status == 403
    customer = Admin(gateway.url, gateway.key)
    for path in ("/organisations", "/openapi.json", "/nothing"):
        assert (customer.ask("GET", path).status, customer.ask("GET", path).error["code"]) == (403, "admin_not_allowed")
        unknown = Admin(gateway.url, None).ask("GET", path)
        assert (unknown.status, unknown.error["code"]) == (401, "invalid_api_key")
        assert unknown.headers["www-authenticate"] == "Bearer"
    assert refusal(gateway, admin.key or "") == (403, "admin_key")
    header = {"x-api-key": reader.key or ""}
    assert Admin(gateway.url, None).send("GET", "/admin/v1/organisations", None, **header).status == 200
    assert "never" not in [one["name"] for one in admin.get("/organisations")["data"]]


def test_SEC54_an_admin_key_bound_to_an_address_is_refused_from_another(gateway: Gateway, admin: Admin) -> None:
    made = admin.post("/keys", name="far", scopes={"admin": "write", "ips": ["192.0.2.0/24"]})
    far = Admin(gateway.url, made["secret"])
    assert wait_until(lambda: far.ask("GET", "/audit").status == 403)
    assert far.ask("GET", "/audit").error["code"] == "ip_not_allowed"


def test_changes_of_plans_credit_lines_and_keys(admin: Admin) -> None:
    org = admin.post("/organisations", name="changing", credit_line=None)
    assert admin.get(f"/organisations/{org['id']}/balance")["available"] is None
    assert admin.ask("PATCH", "/organisations/changing", plan="big", credit_line="2.5").body["plan"] == "big"
    balance = admin.get("/organisations/changing/balance")
    assert (balance["credit_line"], balance["available"]) == ("2.50", "2.50")
    assert admin.ask("PATCH", "/organisations/changing", plan=None).body["plan"] is None
    key = admin.post("/keys", name="one", org="changing", rpm=5, expires_at="2999-01-01T00:00:00+02:00")
    assert key["expires_at"] == "2998-12-31T22:00:00.000Z"
    changed = admin.ask("PATCH", f"/keys/{key['id']}", name="two", rpm=None, scopes={"endpoints": ["chat"]}).body
    assert (changed["name"], changed["rpm"], changed["scopes"]["endpoints"]) == ("two", None, ["chat"])
    assert changed["expires_at"] == key["expires_at"]
    user = admin.post("/users", org="changing", name="eve")
    assert admin.post(f"/users/{user['id']}/suspend")["status"] == "suspended"
    assert admin.ask("POST", f"/teams/{user['id']}/suspend").status == 404
    assert admin.post(f"/users/{user['id']}/resume") == user


def test_lists_come_in_pages(admin: Admin) -> None:
    for name in ("p1", "p2", "p3"):
        admin.post("/organisations", name=name)
    for path in ("/organisations", "/audit", "/keys"):
        whole = [one["id"] for one in admin.get(f"{path}?limit=500")["data"]]
        seen: list[str] = []
        more = True
        while more:
            page = admin.get(f"{path}?limit=2" + (f"&after={seen[-1]}" if seen else ""))
            assert len(page["data"]) <= 2
            seen += [one["id"] for one in page["data"]]
            more = page["has_more"]
        assert seen == whole
        assert len(set(seen)) == len(seen) > 2


def test_every_answer_has_an_id_and_conflicts_are_final(admin: Admin) -> None:
    admin.post("/organisations", name="twice")
    second = admin.ask("POST", "/organisations", name="twice")
    assert (second.status, second.error["code"], second.error["param"]) == (409, "already_exists", "name")
    assert second.headers["x-should-retry"] == "false"
    assert second.headers["cache-control"] == "no-store"
    assert second.headers["x-request-id"] != admin.ask("GET", "/audit").headers["x-request-id"]


@pytest.mark.parametrize(
    "path",
    [
        "/admin", "/admin/v1", "//admin/v1/audit", "/admin//v1/audit", "/%61dmin/v1/audit", "/administrator",
        "/admin/v2/audit", "/admin/v1/nothing", "/admin/v1/audit/..%2fkeys", "/schema/openapi.json",
    ],
)  # fmt: skip
def test_C23_only_the_documented_spelling_of_an_address_is_one(admin: Admin, path: str) -> None:
    reply = admin.send("GET", path)
    assert reply.status == 404, path
    assert reply.error["code"] == "not_found"


def test_a_page_holds_no_control_characters_from_an_address(admin: Admin) -> None:
    for path in ("/keys/%00", "/organisations?after=%00", "/calls/%0a"):
        assert admin.ask("GET", path).status == 400
