"""The access log: whole lines, and nobody who waits for whoever reads them (OBS-20)."""

import json
import os
import threading

from nexusflow.ledger.records import CallLine
from nexusflow.telemetry import access_log
from nexusflow.telemetry.access_log import AccessLog, Head, Refusal

LINE = CallLine(protocol="p", model="m", status=200, outcome="done", amount=7)


def test_lines_are_json_and_leave_out_what_is_not_there() -> None:
    reading, writing = os.pipe()
    log = AccessLog(writing)
    log.note(Head(at=1, request="one", key="k"), LINE)
    log.note(Head(at=1, request="two"), Refusal(protocol="p", status=401, outcome="refused", error="a\nb"))
    log.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        found = [json.loads(line) for line in file.read().splitlines()]
    call = {"protocol": "p", "model": "m", "status": 200, "outcome": "done", "amount": 7}
    assert found == [
        {"at": 1, "request": "one", "key": "k", **call},
        {"at": 1, "request": "two", "protocol": "p", "status": 401, "outcome": "refused", "error": "a\nb"},
    ]


def test_a_reader_that_stands_still_costs_lines_and_no_time() -> None:
    reading, writing = os.pipe()
    log = AccessLog(writing)
    sent = 0
    while log.dropped == 0:
        for _ in range(1_000):
            log.note(Head(at=1, request="x" * 100), LINE)
        sent += 1_000
        log.flush()
        assert sent * 100 < 3 * access_log.MOST_BYTES, "what cannot be written is kept without end"
    got: list[int] = []

    def read() -> None:
        with os.fdopen(reading, "rb") as file:
            got.append(len(file.read().splitlines()))

    reader = threading.Thread(target=read)
    reader.start()
    log.close(seconds=30)
    os.close(writing)
    reader.join()
    assert got == [sent - log.dropped]


def test_a_broken_pipe_costs_lines_only() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    log = AccessLog(writing)
    log.note(Head(at=1, request="one"), LINE)
    log.note(Head(at=1, request="two"), LINE)
    log.close()
    os.close(writing)
    assert log.dropped == 2
