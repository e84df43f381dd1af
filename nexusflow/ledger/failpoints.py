"""Named points at which a test kills this process, to prove that money survives it (AT-03).

`NEXUSFLOW_FAILPOINT=name` kills at the first time the point is reached, `name:3` at the third. Without the variable a
point costs one call that compares nothing.
"""

import os
import signal

VARIABLE = "NEXUSFLOW_FAILPOINT"

NAMES = (
    "lease-granted",
    "after-reserve",
    "after-open",
    "after-progress",
    "before-close",
    "after-close-append",
    "after-durable",
    "post-before-commit",
    "post-after-commit",
    "after-mark",
    "recovery-begin",
    "recovery-mid",
    "recovery-end",
    "stop",
)
TASKS = ("after-entrust", "task-submitting", "task-submitted", "task-kept", "task-ended")
"""Those of the task engine."""

_name, _, _hits = os.environ.get(VARIABLE, "").partition(":")
_left = int(_hits or 1)


def reach(name: str) -> None:
    """Kill this process with SIGKILL when `name` is the point that the environment asks for."""
    if _name:
        _count(name)


def _count(name: str) -> None:
    global _left
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
