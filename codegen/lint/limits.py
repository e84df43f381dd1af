"""NF6xx: stores that cannot do what several processes or machines need of them."""

from collections.abc import Iterator

from codegen import spec
from codegen.diagnostics import Diagnostic
from codegen.lint.context import Context
from codegen.rules import rule


@rule("NF601", "limits-not-shared")
def limits_not_shared(context: Context) -> Iterator[Diagnostic]:
    """Limits are configured, but several processes or machines would count them each for itself.

    ## Why
    With counters in memory and four workers a limit of 20 requests per minute lets 80 through; nobody notices before
    the bill comes. A SQLite file is shared by the workers of one machine, Redis by all machines.

    ## Bad
        gateway: {workers: 4}
        plans:
          free: {limits: {rpm: 20}}

    ## Good
        gateway: {workers: 4}
        stores:
          limits: {kind: sqlite}
        plans:
          free: {limits: {rpm: 20}}
    """
    document = context.document
    hosts, workers, store = document.gateway.hosts, document.gateway.workers, document.stores.limits
    if isinstance(store, spec.RedisCounters) or not _limited(document):
        return
    in_memory = isinstance(store, spec.MemoryCounters)
    if hosts > 1:
        yield context.report(
            "NF601",
            f"{hosts} machines would each count the configured limits alone, with `stores.limits` of kind "
            f"`{'memory' if in_memory else 'sqlite'}`",
            ("gateway", "hosts"),
            help=("set `stores.limits` to kind `redis`, or remove the limits",),
        )
    elif in_memory and workers > 1:
        yield context.report(
            "NF601",
            f"{workers} workers would each count the configured limits alone, with `stores.limits` of kind `memory`",
            ("gateway", "workers"),
            help=("set `stores.limits` to kind `sqlite` or `redis`, or run one worker",),
        )


@rule("NF602", "sqlite-on-many-hosts")
def sqlite_on_many_hosts(context: Context) -> Iterator[Diagnostic]:
    """Several machines run this gateway, and its database is a file.

    ## Why
    Each machine would have a file of its own: a key made or revoked on one is unknown to the others, and each adds up
    its own usage.

    ## Bad
        gateway: {hosts: 2}

    ## Good
        gateway: {hosts: 2}
        stores:
          database: {kind: postgres, url: {env: DATABASE_URL}}
    """
    document = context.document
    if document.gateway.hosts > 1 and isinstance(document.stores.database, spec.SqliteDatabase):
        yield context.report(
            "NF602",
            f"{document.gateway.hosts} machines cannot share `stores.database` of kind `sqlite`",
            ("gateway", "hosts"),
            help=("set `stores.database` to kind `postgres`, or set `gateway.hosts` to 1",),
        )


def _limited(document: spec.Spec) -> bool:
    """Whether anything is limited at all."""
    limits = (
        document.limits.default,
        *(plan.limits for plan in document.plans.values()),
        *(model.limits for model in document.models.values()),
        *(model.shared_limits for model in document.models.values()),
        *(lane.limits for model in document.models.values() for lane in model.lanes),
    )
    return any(limit not in (None, spec.Limits()) for limit in limits)
