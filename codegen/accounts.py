"""Billing rules and budgets: from the words of gateway.yaml to the plan's integers."""

from collections import Counter

from codegen import spec
from codegen.prices import nano
from nexusflow.ir.account import Budget
from nexusflow.ir.plan import Billing, BillingPolicy

_EACH = "*"


def billing(rules: spec.Billing) -> Billing:
    """What happens to the money of a call that does not end well."""
    return Billing(
        on_disconnect=rules.on_disconnect,
        on_5xx=rules.on_5xx,
        charges_input_on_error=rules.charges_input_on_error,
    )


def policy(gateway: spec.Gateway) -> BillingPolicy:
    """How the whole gateway handles money."""
    rules, outage = gateway.billing, gateway.billing.outage_allowance
    return BillingPolicy(
        default_output_reserve=rules.default_output_reserve,
        outage_amount=nano(outage.amount) if outage is not None else 0,
        outage_ms=round(outage.seconds * 1000) if outage is not None else 0,
        call_log_days=rules.call_log_days,
        funds_status=gateway.errors.insufficient_funds_status,
    )


def budgets(document: spec.Spec) -> tuple[Budget, ...]:
    """The budgets in their order. Each is known by its place among those of its scope and period, so that a changed
    amount or mode goes on with the sum that was already spent."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for budget in document.budgets:
        kind = (budget.scope, budget.period)
        seen[kind] += 1
        found.append(
            Budget(
                id=f"yaml:{budget.scope}:{budget.period}:{seen[kind]}",
                scope=budget.scope,
                subject=budget.subject or _EACH,
                period=budget.period,
                amount=nano(budget.amount),
                mode=budget.mode,
            )
        )
    return tuple(found)
