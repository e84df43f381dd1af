"""The dashboard of tasks, limits and processes."""

from codegen.monitoring.facts import Facts
from codegen.monitoring.panels import Board, Panel, graph
from codegen.monitoring.queries import Queries
from nexusflow.telemetry.catalogue import (
    BUILD,
    DISK_FREE,
    DISK_SIZE,
    DRAINING,
    DROPPED,
    EXPORT_DROPPED,
    LEASES_EXPIRED,
    LIMIT_ERRORS,
    LIMITS_DEGRADED,
    LOG_DROPPED,
    LOOP_LAG,
    LOSSES,
    OVERLOAD,
    REJECTIONS,
    SHED,
    STORE_DOWN,
    SWAPS,
    TASK_AGE,
    TASKS,
    WORKERS,
    WORKERS_ENDED,
)


def operations(facts: Facts) -> Board:
    """Whether the gateway has enough of everything."""
    queries = facts.queries
    return Board(
        name="operations",
        title="Operations",
        description="Tasks, limits, overload, stores and processes.",
        rows=(
            ("Limits and overload", (*_limits(queries), *_overload(queries))),
            ("Tasks and translations", _work(queries)),
            ("Processes", (*_processes(queries), *_artifact(queries))),
            ("Stores and logs", _stores(queries)),
        ),
    )


def _limits(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "Calls beyond a limit",
            "Calls a second that were refused, by the limit and by whose it is.",
            "reqps",
            (queries.rate(REJECTIONS, "limit", "scope"), "{{scope}} {{limit}}"),
        ),
        graph(
            "Errors of the store of limits",
            "Operations a second that it failed to do, and slots that nobody gave back.",
            "ops",
            (queries.rate(LIMIT_ERRORS, "op"), "{{op}}"),
            (queries.rate(LEASES_EXPIRED), "expired slots"),
        ),
        graph(
            "Limits held alone",
            "1 while a worker holds limits alone, for their store does not answer.",
            "none",
            (queries.gauge(LIMITS_DEGRADED), "alone"),
            alert="limits_degraded",
        ),
    )


def _overload(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "Calls refused for overload",
            "Calls a second, by the priority of the key and by what there was too much of.",
            "reqps",
            (queries.rate(SHED, "priority", "reason"), "{{priority}} {{reason}}"),
            stacked=True,
        ),
        graph(
            "Level of overload",
            "0 none; 1 to 3: calls of sheddable, default and all keys are refused.",
            "none",
            (queries.gauge(OVERLOAD), "level"),
        ),
        graph(
            "Lag of the event loop",
            "How late the latest worker's event loop was at its last tick.",
            "s",
            (queries.gauge(LOOP_LAG), "lag"),
        ),
    )


def _work(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "Tasks",
            "Images and videos that are not made yet, by state.",
            "none",
            (queries.gauge(TASKS, "state"), "{{state}}"),
            stacked=True,
        ),
        graph(
            "Oldest task",
            "Age of the oldest of them, by state.",
            "s",
            (queries.gauge(TASK_AGE, "state"), "{{state}}"),
        ),
        graph(
            "Left out by translations",
            "Features of requests a second that a provider of another protocol could not take.",
            "ops",
            (queries.rate(LOSSES, "kind"), "{{kind}}"),
        ),
    )


def _processes(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "Workers",
            "Worker processes that are alive, and whether they end their calls to stop.",
            "none",
            (queries.gauge(WORKERS), "alive"),
            (queries.gauge(DRAINING), "draining"),
            alert="gateway_down",
        ),
        graph(
            "Workers that ended",
            "Worker processes that ended in ten minutes.",
            "none",
            (queries.total("increase", WORKERS_ENDED, window="10m"), "ended"),
            alert="worker_restarts",
        ),
    )


def _artifact(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "What is served",
            "Version and plan that workers serve now.",
            "none",
            (f"{queries.gauge(BUILD, 'version', 'plan')} == 1", "{{version}} {{plan}}"),
            kind="table",
        ),
        graph(
            "Artifacts taken up or refused",
            "Swaps in ten minutes, by what came of them; each worker counts its own.",
            "none",
            (queries.total("increase", SWAPS, "result", window="10m"), "{{result}}"),
        ),
    )


def _stores(queries: Queries) -> tuple[Panel, ...]:
    return (
        graph(
            "Stores that cannot be used",
            "1 while a worker cannot use the store.",
            "none",
            (queries.gauge(STORE_DOWN, "store"), "{{store}}"),
            alert="store_down",
        ),
        graph(
            "Disk",
            "What is free on the fullest machine's disk with the journals, of all there is.",
            "percentunit",
            (f"min ({queries.of(DISK_FREE)} / {queries.of(DISK_SIZE)})", "free"),
            alert="disk_free_percent",
        ),
        graph(
            "Lost observations",
            "Lines of the access log, spans of traces and values of metrics a second that had no room.",
            "ops",
            (queries.rate(LOG_DROPPED), "log lines"),
            (queries.rate(EXPORT_DROPPED), "spans"),
            (queries.rate(DROPPED), "values"),
        ),
    )
