"""Limits over the admin API: what is agreed, asked for and decided there holds for the calls that follow (L64)."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nexusflow.accounts.quotas import QuotaTable
from nexusflow.ir.quota import Quota
from nexusflow.testing.faulty import running
from nexusflow.testing.gateway import running_gateway
from tests.e2e.test_limits import USAGE, Stage, completion
from tests.faults.raw import wait_until
from tests.support.admin import Admin, admin_of
from tests.support.drive import chat_model, chat_provider, spec
from tests.support.stores import Store


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two workers, so that both must follow."""
    with running({"quick": (completion(USAGE),)}) as provider:
        models = {name: chat_model("p", "quick", max_output_tokens=100, free=True) for name in ("quick", "other/model")}
        document = json.loads(spec(models, {"p": chat_provider(f"http://127.0.0.1:{provider.port}/v1")}))
        document["stores"] = {"limits": {"kind": "sqlite"}}
        document["limits"] = {"default": {"rpm": 500, "tpm": 1_000_000}}
        with running_gateway(json.dumps(document), tmp_path_factory.mktemp("limits"), workers=2) as gateway:
            yield Stage(gateway, provider, threading.Event())


@pytest.fixture(scope="module")
def admin(stage: Stage) -> Admin:
    return admin_of(stage.gateway)


@pytest.fixture(scope="module")
def reader(stage: Stage) -> Admin:
    return admin_of(stage.gateway, "read")


def new_key(stage: Stage, admin: Admin, **fields: Any) -> tuple[str, str]:
    """Id and secret of a key that every worker knows."""
    made = admin.post("/keys", name="k", **fields)
    assert wait_until(lambda: all(stage.get(made["secret"], "/v1/models").status == 200 for _ in range(16)))
    return made["id"], made["secret"]


def rpm(stage: Stage, key: str, model: str = "quick") -> str | None:
    """The requests per minute that a call is told."""
    return stage.ask(key, model, max_tokens=10).header("x-ratelimit-limit-requests")


def holds(stage: Stage, key: str, wanted: int, model: str = "quick") -> bool:
    """Whether calls are soon told `wanted`, by whichever worker answers."""
    return wait_until(lambda: all(rpm(stage, key, model) == str(wanted) for _ in range(8)))


def file(stage: Stage, key_id: str, model: str = "", **wanted: int) -> str:
    """The id of a request that a key filed."""
    with Store.sqlite(stage.gateway.root).open() as database:
        return QuotaTable(database).ask("org_default", key_id, key_id, model, Quota(**wanted), "a launch").id


def last_change(admin: Admin) -> tuple[str, str, str]:
    [entry] = admin.get("/audit?limit=1")["data"]
    return entry["action"], entry["subject"], entry["actor"].partition(":")[0]


def test_an_agreement_holds_for_the_next_calls_until_it_ends(stage: Stage, admin: Admin) -> None:
    id_, key = new_key(stage, admin)
    assert rpm(stage, key) == "500"
    agreed = admin.ask("PUT", f"/quotas/{id_}", rpm=700, streams=4).body
    assert agreed == {
        "object": "quota", "id": id_, "org": "org_default", "subject": id_, "model": None,
        "rpm": 700, "tpm": None, "concurrency": None, "streams": 4, "tasks": None,
    }  # fmt: skip
    assert last_change(admin) == ("quota.set", id_, "key")
    assert holds(stage, key, 700)
    # For one model alone, and a bound that is null or not named is as the plan says.
    only = admin.ask("PUT", f"/quotas/{id_}?model=other/model", rpm=3, tpm=None).body
    assert (only["id"], only["model"], only["rpm"]) == (f"{id_}/other/model", "other/model", 3)
    assert holds(stage, key, 3, "other/model")
    assert stage.ask(key, "other/model", max_tokens=10).status == 429
    assert admin.get(f"/quotas?subject={id_}")["data"] == [agreed, only]
    # Set anew as a whole.
    assert admin.ask("PUT", f"/quotas/{id_}", tpm=90_000).body["rpm"] is None
    assert holds(stage, key, 500)
    assert stage.ask(key, max_tokens=10).header("x-ratelimit-limit-tokens") == "90000"
    assert admin.ask("DELETE", f"/quotas/{id_}?model=other/model").body == only
    assert last_change(admin) == ("quota.remove", id_, "key")
    assert holds(stage, key, 500, "other/model")
    assert admin.ask("DELETE", f"/quotas/{id_}?model=other/model").status == 404
    assert admin.ask("DELETE", f"/quotas/{id_}").status == 200
    assert admin.get(f"/quotas?subject={id_}")["data"] == []


def test_what_an_organisation_or_user_has_is_for_all_its_keys(stage: Stage, admin: Admin) -> None:
    admin.post("/organisations", name="firm", credit_line=None)
    user = admin.post("/users", org="firm", name="eve")["id"]
    _, plain = new_key(stage, admin, org="firm")
    owned, hers = new_key(stage, admin, org="firm", owner="eve")
    assert admin.ask("PUT", "/quotas/firm", rpm=2).body["subject"].startswith("org_")
    admin.ask("PUT", f"/quotas/{user}", rpm=1)
    for key, told in ((plain, 2), (hers, 1)):
        assert holds(stage, key, told)
    assert [stage.ask(key, max_tokens=10).status for key in (plain, hers)] == [429, 429]
    [hers_alone] = admin.get("/quotas?subject=firm%2Feve")["data"]
    assert (hers_alone["subject"], hers_alone["rpm"]) == (user, 1)
    refused = admin.ask("PUT", f"/quotas/{owned}", rpm=9)
    assert (refused.status, refused.error["param"]) == (400, "subject")
    assert user in refused.error["message"]
    for_one = admin.ask("PUT", "/quotas/firm?model=quick", rpm=9)
    assert (for_one.status, for_one.error["param"]) == (400, "model")


def test_L64_a_request_that_is_approved_takes_effect(stage: Stage, admin: Admin) -> None:
    id_, key = new_key(stage, admin)
    asked = file(stage, id_, rpm=800, tpm=2_000_000)
    shown = admin.get(f"/limit-requests/{asked}")
    assert {name: shown[name] for name in shown if name != "created_at"} == {
        "object": "limit_request", "id": asked, "org": "org_default", "key": id_, "subject": id_, "model": None,
        "rpm": 800, "tpm": 2_000_000, "concurrency": None, "reason": "a launch", "state": "open", "decided_at": None,
        "answer": None,
    }  # fmt: skip
    assert rpm(stage, key) == "500"
    decided = admin.ask("POST", f"/limit-requests/{asked}/approve", answer="good luck").body
    assert decided == shown | {"state": "approved", "answer": "good luck", "decided_at": decided["decided_at"]}
    assert decided["decided_at"] >= shown["created_at"]
    assert last_change(admin) == ("limits.approve", asked, "key")
    assert holds(stage, key, 800)
    assert stage.ask(key, max_tokens=10).header("x-ratelimit-limit-tokens") == "2000000"
    # One for a model, with less than was asked for: what was agreed before stays.
    second = file(stage, id_, "other/model", rpm=5_000)
    assert admin.post(f"/limit-requests/{second}/approve", rpm=600, concurrency=3)["rpm"] == 5_000
    assert holds(stage, key, 600, "other/model")
    assert stage.ask(key, "other/model", max_tokens=10).header("x-ratelimit-limit-concurrency") == "3"
    assert rpm(stage, key) == "800"
    [whole, only] = admin.get(f"/quotas?subject={id_}")["data"]
    assert (whole["rpm"], only["model"], only["rpm"], only["concurrency"]) == (800, "other/model", 600, 3)


def test_L64_a_request_that_is_denied_changes_nothing(stage: Stage, admin: Admin) -> None:
    id_, key = new_key(stage, admin)
    asked = file(stage, id_, rpm=800)
    assert admin.post(f"/limit-requests/{asked}/deny", answer="not now")["state"] == "denied"
    assert last_change(admin) == ("limits.deny", asked, "key")
    # What is agreed later is followed, so that the denial would have been.
    admin.ask("PUT", f"/quotas/{id_}?model=other/model", rpm=900)
    assert holds(stage, key, 900, "other/model")
    assert rpm(stage, key) == "500"
    for verb in ("approve", "deny"):
        again = admin.ask("POST", f"/limit-requests/{asked}/{verb}", answer="after all")
        assert (again.status, again.error["code"]) == (409, "already_decided")
        assert again.headers["x-should-retry"] == "false"
    assert admin.get(f"/limit-requests/{asked}")["answer"] == "not now"
    assert rpm(stage, key) == "500"


def test_requests_are_listed_by_state_in_pages(stage: Stage, admin: Admin) -> None:
    id_, _ = new_key(stage, admin)
    made = [file(stage, id_, rpm=number) for number in range(5)]
    admin.ask("POST", f"/limit-requests/{made[0]}/deny", answer="no")
    for query, wanted in (("", made), ("state=open&", made[1:]), ("state=denied&", made[:1])):
        found: list[str] = []
        more = True
        while more:
            page = admin.get(f"/limit-requests?{query}limit=2" + (f"&after={found[-1]}" if found else ""))
            found += [one["id"] for one in page["data"]]
            more = page["has_more"]
        assert set(wanted) <= set(found)
        assert len(set(found)) == len(found)
        assert found == [one["id"] for one in admin.get(f"/limit-requests?{query}limit=500")["data"]]
    assert made[0] not in [one["id"] for one in admin.get("/limit-requests?state=open&limit=500")["data"]]
    bad = admin.ask("GET", "/limit-requests?state=lost")
    assert (bad.status, bad.error["param"]) == (400, "state")


def test_SEC57_who_may_only_read_changes_nothing(stage: Stage, admin: Admin, reader: Admin) -> None:
    id_, key = new_key(stage, admin)
    asked = file(stage, id_, rpm=800)
    assert reader.get(f"/limit-requests/{asked}")["state"] == "open"
    assert reader.get(f"/quotas?subject={id_}")["data"] == []
    for method, path, fields in (
        ("PUT", f"/quotas/{id_}", {"rpm": 1}),
        ("DELETE", f"/quotas/{id_}", {}),
        ("POST", f"/limit-requests/{asked}/approve", {"rpm": 1}),
        ("POST", f"/limit-requests/{asked}/deny", {"answer": "no"}),
    ):
        refused = reader.ask(method, path, **fields)
        assert (refused.status, refused.error["code"]) == (403, "admin_not_allowed")
        customer = Admin(stage.gateway.url, key).ask(method, path, **fields)
        assert (customer.status, customer.error["code"]) == (403, "admin_not_allowed")
    assert reader.get(f"/limit-requests/{asked}")["state"] == "open"
    assert reader.get(f"/quotas?subject={id_}")["data"] == []


def test_bad_bounds_and_unknown_names_are_named(admin: Admin) -> None:
    for method, path, fields, status, field in (
        ("PUT", "/quotas/default", {"rpm": -1}, 400, "rpm"),
        ("PUT", "/quotas/default", {"tasks": 1.5}, 400, "tasks"),
        ("PUT", "/quotas/default", {"qpm": 5}, 400, "qpm"),
        ("PUT", "/quotas/nobody", {"rpm": 1}, 404, "subject"),
        ("DELETE", "/quotas/nobody", {}, 404, "subject"),
        ("GET", "/quotas?subject=key_nobody", {}, 404, "subject"),
        ("POST", "/limit-requests/lrq_none/approve", {"concurrency": 10**13}, 400, "concurrency"),
        ("POST", "/limit-requests/lrq_none/approve", {"rpm": 1}, 404, None),
        ("POST", "/limit-requests/lrq_none/deny", {"answer": "x" * 101}, 400, "answer"),
        ("GET", "/limit-requests/lrq_none", {}, 404, None),
    ):
        reply = admin.ask(method, path, **fields)
        assert (reply.status, reply.error["param"]) == (status, field), (method, path, reply)
