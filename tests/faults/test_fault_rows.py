"""Rows U-01 to U-35 of the fault matrix in all four chat protocols, unary and streamed: see `tests.faults.fault_rows`.

Of every fault the client's answer, the money and the line of the call log are looked at.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from nexusflow.ir.money import as_nano
from nexusflow.store import open_database
from nexusflow.testing.faulty import Act, Provider, Script, running, unary
from nexusflow.testing.gateway import Gateway, running_gateway
from tests.faults.conftest import PROVIDER_KEY, TRUST, closed_port, full_port, tls_providers, with_port
from tests.faults.dialects import DIALECTS, GOOGLE, TOLD, UPSTREAM_NAME, Dialect, Json, frames_of
from tests.faults.fault_rows import (
    READ,
    WRITTEN,
    Broken,
    Case,
    End,
    Money,
    Refused,
    Served,
    cases,
    full,
    good,
    translated,
)
from tests.faults.raw import Answer, Connection, request, wait_until

CASES = [*cases(), *translated()]
PRICE = READ * 2_000 + WRITTEN * 8_000
EARLY = {"/early": unary(b'{"error":{"code":429}}', "429 Too Many Requests", "retry-after: 7")}
EMPTY = "upstream_empty"
BRIEFLY = {"connect_seconds": 0.3}


class Outcome(NamedTuple):
    """The answer to a call, and its line in the call log."""

    answer: Answer
    line: Json


@dataclass(slots=True)
class Stage:
    """The gateway and its providers. `spent` is what the account was charged up to now, in nano-units; `read` is
    how much of the process's log was looked at."""

    gateway: Gateway
    first: Provider
    second: Provider
    stale: Provider
    spent: int = 0
    read: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        """One page of the account."""
        with Connection(self.gateway.url) as connection:
            connection.send(request(self.gateway.key, b"", method="GET", path=path))
            return connection.answer()

    def ask(self, dialect: Dialect, model: str, stream: bool, text: str = "Hello") -> Answer:
        """One call in a protocol."""
        body = json.dumps(dialect.ask(model, stream, text)).encode()
        with Connection(self.gateway.url) as connection:
            connection.send(request(self.gateway.key, body, path=dialect.path(model, stream)))
            return connection.answer()

    def logged(self, request_id: str) -> Json:
        """The line of the call log, once it is there."""
        found: Json = {}

        def there() -> bool:
            answer = self.get(f"/v1/requests/{request_id}")
            if answer.status == 200:
                found.update(json.loads(answer.body))
            return answer.status == 200

        assert wait_until(there), f"{request_id} is not on record"
        return found

    def posted(self, request_id: str) -> dict[str, list[tuple[int, str, str]]]:
        """Amount, basis and provider of what was posted for a call, by kind."""
        found: dict[str, list[tuple[int, str, str]]] = {}
        with open_database(self.gateway.root / ".nexusflow" / "nexusflow.db") as database:
            query = "SELECT kind, amount, basis, provider FROM transfer WHERE request = $1"
            for kind, amount, basis, provider in database.execute(query, (request_id,)):
                found.setdefault(str(kind), []).append((int(amount or 0), str(basis), str(provider)))
        return found

    def outcome(self, case: Case) -> Outcome:
        """What came of a case. All of a row are called together, since the books are written a few times a second."""
        if case.id not in self.outcomes:
            row = [one for one in CASES if one.row is case.row]
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda one: self.ask(one.client, one.id, one.stream), row))
            for one, answer in zip(row, answers, strict=True):
                self.outcomes[one.id] = Outcome(answer, self.logged(answer.header("x-request-id") or ""))
            self.check_books(sum(as_nano(self.outcomes[one.id].line["amount"]) for one in row))
        return self.outcomes[case.id]

    def check_books(self, amount: int) -> None:
        """The balance fell by what the call log says, and the log of the process tells of nothing unexpected."""
        before, self.spent = self.spent, as_nano(json.loads(self.get("/v1/balance").body)["spent"])
        assert self.spent - before == amount
        text = self.gateway.log.read_text(errors="replace")
        news, self.read = text[self.read :], len(text)
        assert "Traceback" not in news, news[:3000]
        assert "restart" not in news.lower()


def spec(addresses: dict[str, str]) -> str:
    """One model for each case, with its own lane to the failing provider; `addresses` by kind of provider."""
    providers = {
        f"{name}-{dialect.name}": {
            "protocol": dialect.id, "base_url": url + dialect.base, "credential": {"env": "FAULT_PROVIDER_KEY"},
            **({"allow_http": True} if name == "nameless" else {}),
        }
        for name, url in addresses.items() for dialect in DIALECTS
    }  # fmt: skip

    def model(client: Dialect, lanes: list[Json]) -> Json:
        return {
            "owner": "test", "category": "language", "max_output_tokens": 1_000, "supported_protocols": [client.id],
            "price": {"input": "2", "output": "8", "cache_read": "1"}, "lanes": lanes,
        }  # fmt: skip

    models: Json = {}
    for case in CASES:
        timeouts = {**(BRIEFLY if case.row.provider == "full" else {}), **case.row.timeouts}
        lane = {"provider": f"{case.row.provider}-{case.dialect.name}", "model": case.id}
        lanes: list[Json] = [{**lane, **({"timeouts": timeouts} if timeouts else {})}]
        if case.second:
            other = {"provider": f"second-{case.dialect.name}", "model": f"good-{case.dialect.name}-{case.mode}"}
            lanes.append({**other, "priority": 1})
        models[case.id] = model(case.client, lanes)
    for dialect in DIALECTS:
        for name in ("stale", "early"):
            id_ = f"{name}-{dialect.name}"
            models[id_] = model(dialect, [{"provider": id_, "model": id_}])
    whole = {"version": 1, "gateway": {"name": "matrix"}, "providers": providers, "models": models}
    return json.dumps(whole)


def scripts() -> tuple[dict[str, Script], dict[str, Script]]:
    """Those of the failing provider and of the one that answers."""
    first = {case.id: case.row.script(case.dialect, case.mode) for case in CASES}
    return first, {f"good-{one.name}-{mode}": good(one, mode) for one in DIALECTS for mode in ("unary", "stream")}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One gateway for all rows."""
    root = tmp_path_factory.mktemp("matrix")
    bad, fine = scripts()
    with ExitStack() as stack:
        first = stack.enter_context(running(bad, early=EARLY))
        first.scripts.update(with_port(bad, first.port))
        second = stack.enter_context(running(fine))
        # An address of its own: the one connection that idles there is the one that is met dead.
        stale = stack.enter_context(
            running({f"stale-{one.name}": (Act.NOT_AGAIN, *good(one, "unary")) for one in DIALECTS})
        )
        tls = stack.enter_context(tls_providers(root))
        local = "http://127.0.0.1:{}".format
        addresses = {
            "scripted": local(first.port),
            "second": local(second.port),
            "stale": local(stale.port),
            "early": local(first.port) + "/early",
            "refused": local(stack.enter_context(closed_port())),
            "full": local(stack.enter_context(full_port())),
            "nameless": "http://no-such-host.invalid",
            "plain": f"https://127.0.0.1:{first.port}",
            **{name: f"https://127.0.0.1:{port}" for name, port in tls.items() if name != "good"},
        }
        environ = {"FAULT_PROVIDER_KEY": PROVIDER_KEY, TRUST: str(root / "trusted.pem")}
        gateway = stack.enter_context(running_gateway(spec(addresses), root, environ=environ))
        yield Stage(gateway, first, second, stale)


@pytest.fixture(autouse=True)
def served_afterwards(stage: Stage) -> Iterator[None]:
    """After every fault the same worker lives on; see `Stage.check_books` for its log."""
    yield
    assert stage.gateway.process.poll() is None


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_fault(stage: Stage, case: Case) -> None:
    answer, line = stage.outcome(case)
    silent(answer)
    attempts = 2 if case.failover else 1
    assert answer.header("x-nexusflow-attempts") == str(attempts), answer
    provider = f"second-{case.dialect.name}" if case.failover else f"{case.row.provider}-{case.dialect.name}"
    assert answer.header("x-nexusflow-provider") == provider
    end = Served() if case.failover else case.end
    if isinstance(end, Served):
        served(case, answer, end)
    elif isinstance(end, Broken):
        broken(case, answer, end)
    else:
        refused(case, answer, end)
    assert (line["attempts"], line["provider"], line["stream"]) == (attempts, provider, case.stream)
    outcome = {Served: "done", Broken: "broken", Refused: "failed"}[type(end)]
    assert (line["outcome"], line["model"], line["protocol"]) == (outcome, case.id, case.client.id)
    status = 200 if isinstance(end, Served) else case.client.errors[end.kind].status
    assert line["status"] == status
    # On the long way some errors have a code of their own.
    assert line["error"] == (None if isinstance(end, Served) else EMPTY if is_empty(case) else end.kind)
    paid(stage, case, answer, line, end)
    seen(stage, case)


def silent(answer: Answer) -> None:
    """Nothing of the provider's own words, addresses or keys (G56)."""
    shown = answer.body.decode() + repr(answer.headers)
    for secret in ("sk-live", "internal.example", PROVIDER_KEY, "127.0.0.1", UPSTREAM_NAME):
        assert secret not in shown


def served(case: Case, answer: Answer, end: Served) -> None:
    assert (answer.status, answer.complete) == (200, True), answer
    dialect = case.client
    if not case.stream:
        body = json.loads(answer.body)
        assert (dialect.read_text(body), dialect.read_model(body)) == (end.text, case.id)
        return
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert answer.body.endswith(dialect.terminal)
    frames = frames_of(answer.body)
    marker = frames_of(dialect.terminal) if dialect.terminal else []
    assert frames.count(marker[0]) == 1 if marker else frames[-1] != "[DONE]"
    events = [json.loads(data) for data in frames if data != "[DONE]"]
    assert "".join(map(dialect.read_text, events)) == end.text
    assert {name for event in events if (name := dialect.read_model(event)) is not None} == {case.id}
    assert not [event for event in events if "error" in event]
    if end.money is Money.SETTLE and end.written:
        found = dialect.read_usage(events) or {}
        assert agrees(found, full(dialect)) if case.translated else found == full(dialect), found


def agrees(found: Json, wanted: Json) -> bool:
    """Whether a report says the same: the long way says more, and may leave zeros out."""
    return all(
        agrees(found.get(name, {}), value) if isinstance(value, dict) else found.get(name, 0) == value
        for name, value in wanted.items()
    )


def broken(case: Case, answer: Answer, end: Broken) -> None:
    """The content so far, exactly one error, and no marker of a good end."""
    assert (answer.status, answer.complete) == (200, True), answer
    dialect = case.client
    frames = frames_of(answer.body)
    events = [json.loads(data) for data in frames]
    assert "".join(map(dialect.read_text, events[:-1])) == "Hello"
    assert not dialect.terminal or dialect.terminal not in answer.body
    assert frames[-1].startswith('{"error":') or dialect.name in ("responses", "anthropic")
    if dialect.name in ("responses", "anthropic"):
        name = {"responses": b"response.failed", "anthropic": b"error"}[dialect.name]
        assert answer.body.count(b"event: " + name + b"\n") == 1
    told(case, events[-1], end.kind)
    if dialect.name == "responses" and not case.translated:
        assert events[-1]["response"]["id"] == "resp_1"
    assert b"never" not in answer.body
    assert b"half" not in answer.body


def refused(case: Case, answer: Answer, end: Refused) -> None:
    """A real status and the protocol's own envelope."""
    shown = case.client.errors[end.kind]
    assert (answer.status, answer.complete) == (shown.status, True), answer
    assert answer.header("content-type") == "application/json"
    assert answer.header("www-authenticate") is None
    assert len(answer.header("x-request-id") or "") == 26
    message = told(case, json.loads(answer.body), end.kind)
    assert message == TOLD.get(end.kind, message)
    if end.retry_after is not None:
        least, most = end.retry_after
        assert least <= int(answer.header("retry-after") or 0) <= most


def told(case: Case, body: Json, kind: str) -> str:
    """The message of an error of this kind."""
    type_, code, message = case.client.read_error(body)
    shown = case.client.errors[kind]
    if code is not None and is_empty(case):
        assert code.lower() == EMPTY
    else:
        assert code == shown.code, body
    # A provider's own type, such as the scripts' `x`, means nothing in another protocol.
    assert type_ == shown.type or (case.translated and (shown.type, type_) == ("x", "invalid_request_error")), body
    assert message
    return message


def is_empty(case: Case) -> bool:
    """Whether the gateway finds, on the long way, that an answer of Google's is none."""
    empty = case.row.id in ("U11-shape", "U34")
    return case.translated and case.dialect is GOOGLE and empty and not case.stream


def paid(stage: Stage, case: Case, answer: Answer, line: Json, end: End) -> None:
    """One charge or none, the same in ledger, log, header and balance; a lost attempt is the operator's."""
    rows = stage.posted(line["id"])
    amount = as_nano(line["amount"])
    lost = rows.pop("absorbed", [])
    assert len(lost) == (isinstance(case.end, Refused) and case.end.lost), rows
    assert all(cost > 0 and provider.startswith(case.row.provider) for cost, _, provider in lost)
    if end.money is Money.VOID:
        assert (list(rows), amount) == (["void"], 0)
        return
    assert [provider for _, _, provider in rows["charge"]] == [line["provider"]]
    posted, basis, _ = rows["charge"][0]
    assert posted == amount
    if end.money is Money.ESTIMATE:
        partial = isinstance(end, Broken) and case.dialect.early_input
        assert basis == ("partial" if partial else "estimated")
        assert line["source"] == (("partial" if case.translated else "reported") if partial else "estimated")
        assert 0 < amount < PRICE
        assert not partial or line["input"] == READ
    else:
        written = end.written if isinstance(end, Served) else WRITTEN
        tokens = (0, 0) if end.money is Money.ZERO else (READ, written)
        assert (line["input"], line["output"]) == tokens
        assert amount == tokens[0] * 2_000 + tokens[1] * 8_000
        part = end.money is Money.PART
        assert basis == ("partial" if part else "reported")
        assert line["source"] == ("partial" if part and case.translated else "reported")
    if not case.stream and line["status"] == 200:
        assert as_nano(answer.header("x-nexusflow-cost") or "") == amount


def seen(stage: Stage, case: Case) -> None:
    """The provider was asked once, at its own address, with its own key; what hung was hung up on."""
    calls = stage.first.of(case.id)
    assert len(calls) == (1 if case.row.provider == "scripted" else 0)
    for call in calls:
        assert "elsewhere" not in call.path
        assert PROVIDER_KEY in repr(call.headers) + call.path
        assert stage.gateway.key not in repr(call)
        if Act.HANG in stage.first.scripts[case.id]:
            assert call.left.wait(30)


@pytest.mark.parametrize("dialect", DIALECTS, ids=[one.name for one in DIALECTS])
def test_U27_connection_closed_while_idle_is_replaced_once(stage: Stage, dialect: Dialect) -> None:
    """The request left on a connection that was dead: one fresh connection, one attempt, one charge."""
    model = f"stale-{dialect.name}"
    answers = [stage.ask(dialect, model, stream=False) for _ in range(5)]
    assert [(one.status, one.header("x-nexusflow-attempts")) for one in answers] == [(200, "1")] * 5
    assert len(stage.stale.of(model)) > 5, "no request met a dead connection: nothing was proved"
    lines = [stage.logged(one.header("x-request-id") or "") for one in answers]
    assert [as_nano(line["amount"]) for line in lines] == [PRICE] * 5
    stage.check_books(PRICE * 5)


@pytest.mark.parametrize("dialect", DIALECTS, ids=[one.name for one in DIALECTS])
def test_U28_status_before_the_body_was_read(stage: Stage, dialect: Dialect) -> None:
    """The provider refuses by the head alone and closes, while most of the prompt is still to be written."""
    answer = stage.ask(dialect, f"early-{dialect.name}", stream=False, text="x" * 8_000_000)
    shown = dialect.errors["E-RATE"]
    assert (answer.status, answer.header("retry-after")) == (shown.status, "7")
    assert dialect.read_error(json.loads(answer.body))[:2] == (shown.type, shown.code)
    line = stage.logged(answer.header("x-request-id") or "")
    assert (line["outcome"], line["error"], line["attempts"]) == ("failed", "E-RATE", 1)
    stage.check_books(0)
