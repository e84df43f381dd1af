"""What a look at a task comes to: values that the engine writes down in one transaction each."""

from typing import Any

from msgspec import Struct

from nexusflow.ir.task import Made, State
from nexusflow.tasks.model import Stored


class GoOn(Struct, frozen=True):
    """Look again after `wait_s`. `changes` are other columns to write; `failed` counts one more failure in a row."""

    wait_s: float
    changes: dict[str, Any] = {}
    failed: bool = False


class End(Struct, frozen=True, kw_only=True):
    """It is over in `state`: charged for `made`, or for nothing on the provider's verdict.

    `presumed`: charged as though all that was asked for had been made, which only an operator decides.
    """

    state: State
    made: Made | None = None
    output: tuple[Stored, ...] | None = None
    error: str | None = None
    code: str | None = None
    presumed: bool = False


class Unknown(Struct, frozen=True):
    """Nobody knows what became of it: its money stays held until somebody does (reliability 1.3, class U).

    With `wait_s` the provider is still asked now and then.
    """

    message: str
    wait_s: float | None = None


Outcome = GoOn | End | Unknown
