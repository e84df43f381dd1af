"""Tasks over HTTP while workers are killed and frozen past their leases, and the audit of tasks, money and submits."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from nexusflow.settings import TASK_LEASE_MS
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from nexusflow.testing.simulator import running_simulator
from tests.chaos.loop import WORKERS, Books, lives, workers_of
from tests.support import oracle
from tests.support.tasks import PER_IMAGE, PER_SECOND, ask, film, jobs, picture, prompt_of, spec

PATIENCE_S = 120.0
YOUNG_S = 6.5
"""A server whose new worker dies again within that time gives up."""
MODELS = {
    "film": film("seconds-1"),
    "shaky": film("seconds-1", "flaky-3"),
    "gone": film("lost"),
    "bad": film("seconds-0.5", "fail"),
    "still": picture("image@seconds=0.2"),
}
PRICES = {"film": 4 * PER_SECOND, "shaky": 4 * PER_SECOND, "gone": 4 * PER_SECOND, "bad": 4 * PER_SECOND,
          "still": PER_IMAGE}  # fmt: skip
_TURN = ("film", "still", "film", "shaky", "film", "still", "bad", "film", "still", "gone")
_OVER = "('succeeded', 'failed', 'cancelled', 'expired', 'unknown')"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it: `tasks` made by `makers` clients at once, who rest for `rest_s` after each; kills, freezes of
    `frozen_s`, leases of `lease_ms`.
    """

    tasks: int
    kills: int
    freezes: int
    lease_ms: int
    frozen_s: float
    makers: int = 4
    rest_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """One round. `accepted` had a good answer; `rows` are tasks in the table; `states` counts them by state.

    `submits` are jobs at the provider, `charged` and `held` nano-units.
    """

    books: str
    kills: int
    freezes: int
    accepted: int
    rows: int
    states: dict[str, int]
    submits: int
    charged: int
    held: int
    seconds: float
    wrong: tuple[str, ...]


class Makers:
    """Clients that make tasks until there are enough, whatever becomes of their connections."""

    def __init__(self, gateway: Gateway, count: int, clients: int, rest_s: float) -> None:
        self.accepted: set[str] = set()
        self._gateway = gateway
        self._rest_s = rest_s
        self._turns = iter(range(count))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._make) for _ in range(clients)]

    @property
    def busy(self) -> bool:
        """Whether there are more to make."""
        return any(thread.is_alive() for thread in self._threads)

    def __enter__(self) -> "Makers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _make(self) -> None:
        while True:
            with self._lock:
                turn = next(self._turns, None)
            if turn is None:
                return
            self._one(turn)
            time.sleep(self._rest_s)

    def _one(self, turn: int) -> None:
        """One task, asked for under one name until there is an answer: the name makes it one task."""
        body = {"model": _TURN[turn % len(_TURN)], "prompt": f"task number {turn}"}
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with suppress(OSError, ValueError):
                answer = ask(f"{self._gateway.url}/v1/tasks", self._gateway.key, body, 40, name=f"turn-{turn}")
                if answer.status == 202:
                    with self._lock:
                        self.accepted.add(answer.json()["id"])
                    return
            time.sleep(0.2)


def play_tasks(books: Books, root: Path, plan: Plan, dice: random.Random) -> Outcome:
    """Make the tasks, kill and freeze workers meanwhile, wait for every end, and audit."""
    began = time.monotonic()
    environ = {**books.environ, TASK_LEASE_MS: str(plan.lease_ms)}
    with running_simulator() as provider:
        text = spec(provider, MODELS, stores={"database": books.database})
        with running_gateway(text, root, environ=environ, workers=WORKERS) as gateway:
            with Makers(gateway, plan.tasks, plan.makers, plan.rest_s) as makers:
                killed, frozen = _hurt(gateway, plan, dice)
            _wait(books, plan)
        done = jobs(provider)
    rows = _rows(books)
    wrong = _wrong_tasks(rows, makers.accepted, plan) + _wrong_money(books, rows) + _wrong_submits(rows, done)
    proof = nexusflow("ledger", "verify", root=root, environ=environ)
    if proof.returncode:
        wrong.append(f"the proof failed: {proof.stdout[-400:]}{proof.stderr[-400:]}")
    [[held]] = books.ask("SELECT sum(held) FROM wallet")
    return Outcome(
        books=books.name,
        kills=killed,
        freezes=frozen,
        accepted=len(makers.accepted),
        rows=len(rows),
        states=dict(Counter(row["state"] for row in rows)),
        submits=len(done),
        charged=sum(oracle.settled(books.ask).values()),
        held=int(held or 0),
        seconds=time.monotonic() - began,
        wrong=tuple(wrong),
    )


def _hurt(gateway: Gateway, plan: Plan, dice: random.Random) -> tuple[int, int]:
    """Kill and freeze in a random order while tasks are made and carried on; how many of each."""
    blows = ["kill"] * plan.kills + ["freeze"] * plan.freezes
    dice.shuffle(blows)
    killed = frozen = 0
    first = {one.pid for one in _workers(gateway)}
    for blow in blows:
        time.sleep(dice.uniform(0.3, 1.2))
        victim = dice.choice(_workers(gateway))
        if blow == "kill":
            while victim.pid not in first and time.time() - victim.create_time() < YOUNG_S:
                time.sleep(0.1)
            killed += _send(victim, signal.SIGKILL)
            continue
        with _standing(victim):
            time.sleep(plan.frozen_s)
            frozen += 1
    return killed, frozen


@contextmanager
def _standing(worker: psutil.Process) -> Iterator[None]:
    _send(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(worker, signal.SIGCONT)


def _send(worker: psutil.Process, number: signal.Signals) -> bool:
    try:
        os.kill(worker.pid, number)
    except ProcessLookupError:
        return False
    return True


def _workers(gateway: Gateway) -> list[psutil.Process]:
    """Those that live, once there are as many as there should be, or patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = [one for one in workers_of(gateway) if lives(one)]
        if len(found) >= WORKERS or gateway.process.poll() is not None or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def _wait(books: Books, plan: Plan) -> None:
    """Until no task is under way, or patience is over."""
    deadline = time.monotonic() + PATIENCE_S + plan.lease_ms / 1000
    while time.monotonic() < deadline:
        [[left]] = books.ask(f"SELECT count(*) FROM task WHERE state NOT IN {_OVER}")
        if not left:
            return
        time.sleep(0.2)


def _rows(books: Books) -> list[dict[str, Any]]:
    names = ("id", "model", "state", "amount", "held", "submits", "brief")
    return [dict(zip(names, row, strict=True)) for row in books.ask(f"SELECT {', '.join(names)} FROM task")]


def _wrong_tasks(rows: list[dict[str, Any]], accepted: set[str], plan: Plan) -> list[str]:
    """What is wrong with the tasks themselves: each is there once, at an end, and that is the right one."""
    wrong = []
    if len(rows) != plan.tasks or {row["id"] for row in rows} != accepted:
        wrong.append(f"{plan.tasks} tasks were wanted, {len(accepted)} accepted, {len(rows)} are there")
    for row in rows:
        right = {"bad": ("failed", "unknown"), "gone": ("unknown",)}.get(row["model"], ("succeeded", "unknown"))
        if row["state"] not in right:
            wrong.append(f"{row['id']} of {row['model']} is {row['state']}")
        amount = PRICES[row["model"]] if row["state"] == "succeeded" else 0
        if (row["amount"] or 0) != amount:
            wrong.append(f"{row['id']} is {row['state']} and costs {row['amount']}")
    return wrong


def _wrong_money(books: Books, rows: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the money: charged once by task, and held for those alone that nobody knows."""
    wrong = oracle.complaints(books.ask)
    ends = books.ask("SELECT request, amount FROM transfer WHERE kind IN ('charge', 'void')")
    bill = {str(request): int(amount) for request, amount in ends}
    if len(bill) != len(ends):
        wrong.append("a task was settled twice")
    if bill != {row["id"]: row["amount"] or 0 for row in rows if row["state"] != "unknown"}:
        wrong.append("the ledger's bill is not that of the tasks")
    [[spent, held]] = books.ask("SELECT sum(spent), sum(held) FROM wallet")
    if int(spent or 0) != sum(bill.values()):
        wrong.append(f"wallets have spent {spent}, the bills come to {sum(bill.values())}")
    kept = sum(row["held"] for row in rows if row["state"] == "unknown")
    if int(held or 0) != kept:
        wrong.append(f"{held} is held, for unknown tasks {kept}")
    return wrong


def _wrong_submits(rows: list[dict[str, Any]], done: list[dict[str, Any]]) -> list[str]:
    """What is wrong at the provider: more than one submit of a task, or none of one that succeeded."""
    count = Counter(prompt_of(job) for job in done)
    wrong = [f"{prompt} was submitted {times} times" for prompt, times in count.items() if times > 1]
    for row in rows:
        prompts = [prompt for prompt in count if f'"{prompt}"' in row["brief"]]
        if row["state"] in ("succeeded", "failed") and not prompts:
            wrong.append(f"{row['id']} is {row['state']} and was never submitted")
    return wrong
