"""Why an attempt at a provider failed, as far as it decides what may follow (reliability 1.3)."""

from enum import StrEnum

from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.upstream.transport import Fault


class Failure(StrEnum):
    """The classes of failures; their values are those of the specification, with E apart from U.

    Both E and U leave open what the provider did. After E it said itself that it failed, after U nobody knows, and the
    lost attempt is taken for billed.
    """

    NOT_SENT = "N"
    REFUSED = "Q"
    CREDENTIAL = "A"
    CALLER = "C"
    SERVER_ERROR = "E"
    UNCERTAIN = "U"


class AttemptFailed(RequestRefused):
    """A provider failed in a way that its answer, or the lack of one, tells."""

    def __init__(self, problem: Problem, failure: Failure) -> None:
        super().__init__(problem)
        self.failure = failure


_NOT_SENT = frozenset((Fault.DNS, Fault.CONNECT, Fault.CONNECT_TIMEOUT, Fault.TLS))
_REFUSED = frozenset((408, 429, 503, 529))
_CREDENTIAL = frozenset((401, 402, 403, 404))
_BY_KIND = {
    Kind.RATE: Failure.REFUSED,
    Kind.BUSY: Failure.REFUSED,
    Kind.UNAVAILABLE: Failure.REFUSED,
    Kind.UPSTREAM: Failure.UNCERTAIN,
    Kind.TIMEOUT: Failure.UNCERTAIN,
}


def of_fault(fault: Fault) -> Failure:
    """The class of a failure below HTTP."""
    return Failure.NOT_SENT if fault in _NOT_SENT else Failure.UNCERTAIN


def of_status(status: int) -> Failure:
    """The class of a refusal. A 404 says that the provider does not know the model we named: our fault, as 401 is."""
    if status in _REFUSED:
        return Failure.REFUSED
    if status in _CREDENTIAL:
        return Failure.CREDENTIAL
    return Failure.SERVER_ERROR if status >= 500 else Failure.CALLER


def of_refusal(refused: RequestRefused) -> Failure:
    """The class of whatever ended an attempt.

    An error inside a good answer is what its own code says (U-16, U-17). Whether a provider bills an answer that it
    has begun nobody knows, so that its own failure is of class U there.
    """
    if isinstance(refused, AttemptFailed):
        return refused.failure
    problem = refused.problem
    if problem.cause is None:
        return _BY_KIND.get(problem.kind, Failure.CALLER)
    failure = of_status(problem.cause)
    return Failure.UNCERTAIN if failure is Failure.SERVER_ERROR else failure
