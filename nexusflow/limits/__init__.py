"""Rate limits: what applies (`resolve`), what is left (engines), and what a client is told (`headers`)."""

from nexusflow.limits.engine import Engine, LimitsAway
from nexusflow.limits.limiter import Limiter
from nexusflow.limits.memory import MemoryEngine
from nexusflow.limits.rule import Ask, Granted, Limit, LimitState, Refused, Ticket

__all__ = [
    "Ask",
    "Engine",
    "Granted",
    "Limit",
    "LimitState",
    "Limiter",
    "LimitsAway",
    "MemoryEngine",
    "Refused",
    "Ticket",
]
