"""Limits: from the words of gateway.yaml to the plan's quotas and the place of their counters."""

from codegen import spec
from nexusflow.ir.plan import CountersAt, CredentialRef
from nexusflow.ir.quota import NONE, PLANS, LimitRules, Quota


def quota(limits: spec.Limits | None) -> Quota:
    """The bounds of one section `limits`; without one there are none."""
    if limits is None:
        return NONE
    return Quota(
        rpm=limits.rpm,
        tpm=limits.tpm,
        concurrency=limits.concurrent_requests,
        streams=limits.concurrent_streams,
        tasks=limits.running_tasks,
    )


def rules(document: spec.Spec) -> LimitRules:
    """What holds for callers, the plans that every gateway has included."""
    own = {name: quota(plan.limits) for name, plan in document.plans.items()}
    return LimitRules(
        default=quota(document.limits.default),
        plans=dict(sorted({**PLANS, **own}.items())),
        fail=document.limits.on_store_loss,
    )


def counters(place: spec.Counters, credential: CredentialRef | None) -> CountersAt:
    """Where the counters are; `credential` is the resolved address of a Redis."""
    if isinstance(place, spec.SqliteCounters):
        return CountersAt(kind="sqlite", path=place.path)
    if isinstance(place, spec.RedisCounters):
        return CountersAt(kind="redis", url=credential, prefix=place.prefix)
    return CountersAt()
