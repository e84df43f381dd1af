"""The admin API's OpenAPI document is valid and true, and no bad input ends in an internal error."""

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from nexusflow.testing.gateway import Gateway, running_gateway
from nexusflow.testing.ports import free_port
from tests.support.admin import Admin, Reply, admin_of, admin_spec
from tests.support.postgres import PostgresServer

DEEP = "[" * 600 + "]" * 600
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 70, 1.5, 1e300, "", " ", "\u0000", "\ud800", "a" * 5_000, "../..", "%00", "-1", "1e9",
    "NaN", "Infinity", "٣", "0.0000000001", "99999999999", "9999999999", "'; DROP TABLE wallet; --",
    "sk-air-" + "a" * 49,
    [], [None], ["\u0000"], {}, {"": ""}, {"admin": "root"}, {"models": ["x" * 5_000]}, {"ips": ["1.2.3"]},
    {"models": [str(number) for number in range(300)]}, "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00", "2026-01-01",
)  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "NewOrganisation": {"name": "fuzzed", "plan": "p", "credit_line": "1"},
    "OrganisationChange": {"plan": "p", "credit_line": "1"},
    "NewPart": {"org": "default", "name": "part"},
    "NewKey": {"name": "k", "org": "default", "team": None, "owner": None, "plan": None, "rpm": 1,
               "expires_at": "2999-01-01T00:00:00Z", "scopes": {"models": ["chat"]}},
    "KeyChange": {"name": "k", "team": None, "owner": None, "plan": None, "rpm": 1, "expires_at": None, "scopes": {}},
    "Rotation": {"grace_seconds": 1},
    "Credit": {"amount": "1", "source": "bank", "memo": "m", "id": None},
    "Adjustment": {"amount": "1", "reason": "m", "id": None},
    "Refund": {"request": "req", "reason": "m", "amount": "1", "id": None},
    "NewQuota": {"rpm": 1, "tpm": 1, "concurrency": 1, "streams": 1, "tasks": None},
    "Approval": {"rpm": 1, "tpm": 1, "concurrency": 1, "answer": "so be it"},
    "Denial": {"answer": "not now"},
    "NewBudget": {"scope": "org", "subject": "default", "amount": "1", "period": "day", "mode": "hard", "org": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def environ() -> Iterator[pytest.MonkeyPatch]:
    """Also that of the commands that tests run."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, environ: pytest.MonkeyPatch
) -> Iterator[Gateway]:
    document = json.loads(admin_spec(free_port()))
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        document["stores"] = {"database": {"kind": "postgres", "url": {"env": "DATABASE_URL"}}}
        environ.setenv("DATABASE_URL", server.new_database())
    with running_gateway(json.dumps(document), tmp_path_factory.mktemp("openapi")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Admin:
    return admin_of(gateway)


@pytest.fixture(scope="module")
def document(admin: Admin) -> dict[str, Any]:
    found: dict[str, Any] = admin.get("/openapi.json")
    return found


@pytest.fixture(scope="module")
def values(gateway: Gateway, admin: Admin) -> dict[str, str]:
    """For each kind of address something that exists."""
    asked = Admin(gateway.url, gateway.key).send("POST", "/v1/limit-requests", b'{"rpm": 9}')
    made = {
        "limit-requests": asked.body["id"],
        "teams": admin.post("/teams", org="default", name="t")["id"],
        "users": admin.post("/users", org="default", name="u")["id"],
        "keys": admin.post("/keys", name="fuzzed")["id"],
        "budgets": admin.post("/budgets", scope="model", subject="chat", amount="1", mode="soft")["id"],
    }
    return made | {"calls": "no-such-call"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def filled(path: str, values: dict[str, str]) -> str:
    kind = path.split("/")[3]
    path = path.replace("{subject}", "default")
    return path.replace("{org}", "default").replace("{month}", "2026-11").replace("{id}", values.get(kind, ""))


def assert_documented(reply: Reply, operation: dict[str, Any], document: dict[str, Any]) -> None:
    """The answer is one that the document names, and has the form that it gives."""
    assert str(reply.status) in operation["responses"], (operation["operationId"], reply)
    content = operation["responses"][str(reply.status)]["content"]
    if "application/json" in content:
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        found = [
            f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(reply.body)
        ]
        assert not found, (operation["operationId"], found)


def test_the_document_is_valid_and_describes_the_admin_api_alone(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["info"]["title"] == "NexusFlow admin API"
    assert all(path.startswith("/admin/v1/") for path in document["paths"])
    for _, path, operation in operations(document):
        assert operation["description"], path
        assert operation["tags"], path
        assert {"400", "401", "403", "503"} <= set(operation["responses"]), path
    kinds = {path.split("/")[3] for path in document["paths"]}
    assert kinds == {
        "organisations", "teams", "users", "keys", "refunds", "budgets", "quotas", "limit-requests", "usage", "calls",
        "ledger", "audit",
    }  # fmt: skip


def test_every_operation_answers_as_documented(admin: Admin, document: dict[str, Any], values: dict[str, str]) -> None:
    for method, path, operation in sorted(operations(document), key=lambda one: (one[0] == "DELETE", one[1])):
        good = GOOD.get(body_of(operation))
        if path.endswith(("/revoke", "/suspend", "/deny")):
            continue  # what comes after would find nothing alive; the other tests have these
        body = None if good is None else json.dumps(good).encode()
        reply = admin.send(method, filled(path, values), body)
        assert_documented(reply, operation, document)
        assert reply.status in (200, 201) or path.startswith(("/admin/v1/calls/", "/admin/v1/refunds")), (path, reply)
        nowhere = re.sub(r"\{(org|subject|id)\}", "none", path).replace("{month}", "2026-11")
        unknown = admin.send(method, nowhere, body)
        assert_documented(unknown, operation, document)
        assert unknown.status == 404 or "{" not in path, (path, unknown)
        nobody = Admin(admin.url, None).send(method, filled(path, values))
        assert_documented(nobody, operation, document)
        assert nobody.status == 401


def test_every_body_is_tried(document: dict[str, Any]) -> None:
    assert {body_of(operation) for _, _, operation in operations(document)} - {""} == set(GOOD)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_bad_fields_are_named_and_never_an_internal_error(
    admin: Admin, document: dict[str, Any], values: dict[str, str], name: str
) -> None:
    found = [one for one in operations(document) if body_of(one[2]) == name]
    assert found
    for method, path, operation in found:
        at = filled(path, values)
        for field in GOOD[name]:
            for value in ODD:
                reply = admin.send(method, at, json.dumps({**GOOD[name], field: value}).encode())
                assert reply.status < 500, (at, field, value, reply)
                if reply.status >= 400:
                    assert_documented(reply, operation, document)
                if reply.status == 400 and value != "\ud800":
                    named = re.split(r"[.\[]", reply.error["param"] or "")[0]
                    assert named in (field, "org"), (field, value, reply)
        for missing in operation_required(document, name):
            body = {key: value for key, value in GOOD[name].items() if key != missing}
            assert admin.send(method, at, json.dumps(body).encode()).error["param"] == missing
        extra = admin.send(method, at, json.dumps({**GOOD[name], "surprise": 1}).encode())
        assert (extra.status, extra.error["param"]) == (400, "surprise")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff", b"\xef\xbb\xbf{}", b'{"a":NaN}', b'{"name":"\xff"}',
     b'{"name":' + DEEP.encode() + b"}", b'{"name":"' + b"a" * 70_000 + b'"}'],
)  # fmt: skip
def test_bodies_that_are_none(admin: Admin, document: dict[str, Any], values: dict[str, str], body: bytes) -> None:
    for method, path, operation in operations(document):
        if body_of(operation):
            reply = admin.send(method, filled(path, values), body)
            assert reply.status in (400, 413), (path, body[:20], reply)
            assert reply.error["message"]


def test_bad_queries_are_named(admin: Admin, document: dict[str, Any], values: dict[str, str]) -> None:
    odd = ("", "x", "-1", "0", "1.5", "9" * 30, "%ff", "%F0%9F%98%80", "a" * 300, "%20", "null", "true", "1&limit=2")
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] != "query":
                continue
            for value in odd:
                good = GOOD.get(body_of(operation))
                body = None if good is None else json.dumps(good).encode()
                reply = admin.send(method, f"{filled(path, values)}?{parameter['name']}={value}", body)
                assert reply.status in (200, 400, 404), (path, parameter["name"], value, reply)
                if reply.status == 400:
                    assert reply.error["param"] in (parameter["name"], "start", "limit"), (path, value, reply)


def test_any_months(admin: Admin) -> None:
    for month in ("0000-01", "0001-01", "9999-12", "2026-13", "2026-00", "x", "2026-1", "%D9%A2026-11", "2026-11-01"):
        for form in ("", "/csv"):
            reply = admin.ask("GET", f"/organisations/default/statements/{month}{form}")
            assert reply.status in (200, 400), (month, reply)


def test_random_json_is_never_an_internal_error(admin: Admin, document: dict[str, Any], values: dict[str, str]) -> None:
    chance = random.Random(20261123)

    def anything(depth: int) -> Any:
        if depth == 0 or chance.random() < 0.5:
            return chance.choice(ODD)
        if chance.random() < 0.5:
            return [anything(depth - 1) for _ in range(chance.randrange(4))]
        return {chance.choice(("admin", "models", "ips", "id", "x")): anything(depth - 1) for _ in range(3)}

    for method, path, operation in operations(document):
        good = GOOD.get(body_of(operation))
        for _ in range(40 if good else 0):
            body = {name: anything(3) if chance.random() < 0.4 else value for name, value in (good or {}).items()}
            reply = admin.send(method, filled(path, values), json.dumps(body).encode())
            assert reply.status < 500, (path, body, reply)


def body_of(operation: dict[str, Any]) -> str:
    """The name of what an operation takes, or nothing."""
    content = operation.get("requestBody", {}).get("content", {})
    return str(content["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]) if content else ""


def operation_required(document: dict[str, Any], name: str) -> list[str]:
    """The fields that must be there."""
    return list(document["components"]["schemas"][name].get("required", ()))
