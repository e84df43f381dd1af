"""Headers that every answer carries, and error answers."""

from collections.abc import Sequence

from litestar.types import Send

from nexusflow.flow.client import Header, answer
from nexusflow.ir.errors import Problem
from nexusflow.protocols.dialect import Errors


def base_headers(request_id: str) -> list[Header]:
    """Our request id, on every answer (L55)."""
    return [(b"x-request-id", request_id.encode())]


async def refuse(send: Send, errors: Errors, problem: Problem, request_id: str, headers: Sequence[Header]) -> None:
    """Answer with `problem`, under the headers that the call already has."""
    status = errors.status(problem)
    headers = [*headers, *error_headers(problem, status)]
    await answer(send, status, errors.envelope(problem, request_id), headers)


def error_headers(problem: Problem, status: int) -> list[Header]:
    """What tells an SDK whether and when to try again (reliability 1.7)."""
    headers: list[Header] = []
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if problem.retry_after is not None:
        headers.append((b"retry-after", str(problem.retry_after).encode()))
        headers.append((b"retry-after-ms", str(problem.retry_after_ms).encode()))
    if problem.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if problem.should_retry else b"false"))
    if problem.close:
        headers.append((b"connection", b"close"))
    if problem.allow is not None:
        headers.append((b"allow", problem.allow.encode()))
    return headers
