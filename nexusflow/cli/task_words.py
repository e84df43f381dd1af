"""Tasks and their webhooks in the words of an operator."""

from typing import TYPE_CHECKING, Any

from nexusflow.cli.tables import moment
from nexusflow.ir.money import as_text
from nexusflow.tasks.words import STATUS

if TYPE_CHECKING:
    from nexusflow.tasks.model import Task
    from nexusflow.tasks.webhooks import Webhook

COLUMNS = ("id", "status", "progress", "type", "model", "provider", "key", "created", "completed", "held", "amount")
"""What a list has room for."""


def described(task: "Task") -> dict[str, Any]:
    """Everything about a task but what was asked for. Amounts are decimals; what is held is given back at its end."""
    return {
        "id": task.id,
        "status": STATUS[task.state],
        "state": task.state,
        "progress": percent(task),
        "type": task.type,
        "model": task.model,
        "provider": task.provider,
        "upstream_model": task.upstream_model,
        "handle": task.handle,
        "org": task.org,
        "key": task.key_id,
        "owner": task.owner,
        "created": moment(task.created_ms),
        "submitted": moment(task.submitted_ms),
        "completed": moment(task.completed_ms),
        "deadline": moment(task.deadline_ms),
        "expires": moment(task.expires_ms),
        "next": moment(task.next_ms),
        "submits": task.submits,
        "polls": task.polls,
        "errors": task.errors,
        "cancel_requested": task.cancel,
        "held": as_text(0 if task.completed_ms is not None else task.held),
        "amount": as_text(task.amount) if task.amount is not None else None,
        "error_code": task.error_code,
        "error": task.error,
        "results": [one.name or one.url for one in task.output or ()],
        "webhook_url": task.webhook_url,
    }


def delivered(webhook: "Webhook") -> dict[str, Any]:
    """How the delivery of one webhook stands."""
    return {
        "webhook": webhook.id,
        "state": webhook.state,
        "attempts": webhook.attempts,
        "status": webhook.status,
        "error": webhook.error,
        "next": moment(webhook.next_ms),
        "created": moment(webhook.created_ms),
    }


def percent(task: "Task") -> int:
    """How far it has come."""
    return 100 if task.state == "succeeded" else task.progress or 0


def is_over(task: "Task") -> bool:
    """Whether nothing more happens to it, unless an operator or its provider has news."""
    return task.completed_ms is not None or task.state == "unknown"
