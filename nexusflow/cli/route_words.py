"""The way of a request in words and tables, for `nexusflow route explain`."""

from typing import TYPE_CHECKING, Any

import rich_click as click

from nexusflow.cli.tables import print_rows

if TYPE_CHECKING:
    from nexusflow.flow.explained import Explained, Refusal, Tried
    from nexusflow.ir.plan import Model, Strategy

SMALL_ANSWER = 1_024
"""Tokens, for the one protocol whose requests must name a bound."""
_DECIDES: "dict[Strategy, str]" = {
    "priority": "among equals two are drawn by weight, and the less busy and quicker one goes first",
    "latency": "among equals the less busy and quicker one goes first",
    "weighted": "among equals chance decides, by weight",
    "cost": "among equals the one goes first that is cheapest for a request of this size",
    "sticky": "among equals each key has an order of its own, so that what providers cache for it stays warm",
}
_AT_REST = "here all lanes count as healthy and idle"


def hello(protocol: str, model: "Model") -> dict[str, Any]:
    """A small request for `model` in a client protocol."""
    messages = [{"role": "user", "content": "Hello"}]
    if protocol == "google/generate-content":
        return {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    if protocol in ("openai/responses", "openai/embeddings"):
        return {"model": model.id, "input": "Hello"}
    if protocol == "anthropic/messages":
        longest = model.max_output_tokens or SMALL_ANSWER
        return {"model": model.id, "max_tokens": min(SMALL_ANSWER, longest), "messages": messages}
    return {"model": model.id, "messages": messages}


def print_refusal(refusal: "Refusal") -> None:
    """What the gateway would answer in place of serving the request."""
    about = f", about `{refusal.param}`" if refusal.param else ""
    click.echo(f"error: the gateway would answer {refusal.status} {refusal.code}{about}: {refusal.message}", err=True)


def print_explained(told: "Explained") -> None:
    """All of it."""
    who = f"asked by the key {told.key}" if told.key else "asked by a caller on no plan"
    click.echo(f"{told.asked} over {told.protocol}{', streamed' if told.stream else ''}, {who}\n")
    if told.model != told.asked:
        click.echo(f"None of its lanes is ready; {told.model} stands in for it.\n")
    click.echo("Tried in this order, the next one where one fails:")
    print_rows([_lane(at, lane) for at, lane in enumerate(told.lanes, 1)])
    click.echo(f"\nStrategy {told.strategy}: {_decides(told)}.")
    _print_details(told)
    if told.left_out:
        click.echo("\nLeft out:")
        for out in told.left_out:
            click.echo(f"  {out.provider} ({out.upstream_model}) for {out.model}: {out.why}")
    click.echo("\nLongest waits, in seconds; the whole call has the longest of their totals:")
    print_rows([_waits(at, lane) for at, lane in enumerate(told.lanes, 1)])
    click.echo("\nLimits:" if _limits(told) else "\nNothing limits it.")
    if _limits(told):
        print_rows(_limits(told))
    if told.fallbacks:
        click.echo("\nModels that stand in for it:")
        for one in told.fallbacks:
            click.echo(f"  {one.model}" + (f": not for this request. {one.why_not}" if one.why_not else ""))
    click.echo(
        f"\nHeld until it is settled: {told.worst_case} {told.currency}, "
        f"for {told.input_tokens} tokens read and {told.output_tokens} written at the dearest of these lanes."
    )


def _decides(told: "Explained") -> str:
    said = _DECIDES[told.strategy]
    if all(lane.among == 1 for lane in told.lanes if lane.model == told.model):
        return "the priorities leave it nothing to choose"
    if told.strategy == "sticky" and told.key is None:
        return f"{said}; --key tells whose"
    return said if told.strategy in ("sticky", "cost") else f"{said}; {_AT_REST}"


def _lane(at: int, lane: "Tried") -> dict[str, Any]:
    price = lane.price
    return {
        "#": at,
        "model": lane.model,
        "provider": lane.provider,
        "its model": lane.upstream_model,
        "protocol": lane.protocol,
        "sent": lane.sent,
        "losses": len(lane.losses) if lane.losses is not None else "unknown",
        "priority": lane.priority,
        "weight": lane.weight,
        "in/M": price.input if price is not None else "free",
        "out/M": price.output if price is not None else "free",
        "at most": lane.worst_case,
        "region": lane.region,
    }


def _waits(at: int, lane: "Tried") -> dict[str, Any]:
    times = lane.timeouts
    return {
        "#": at,
        "provider": lane.provider,
        "connect": f"{times.connect:g}",
        "first event": f"{times.first_event:g}",
        "gap": f"{times.gap:g}",
        "total": f"{times.total:g}",
    }


def _print_details(told: "Explained") -> None:
    """What gets lost on the way to each lane, and the lanes that would refuse the request."""
    for at, lane in enumerate(told.lanes, 1):
        for loss in lane.losses or ():
            click.echo(f"  {at}: `{loss.path}` is {loss.action}" + (f" ({loss.detail})" if loss.detail else ""))
        if lane.losses is None:
            click.echo(f"  {at}: media are fetched from their URLs first, so what else gets lost is not known here")
        if lane.refusal is not None:
            click.echo(f"  {at}: refuses with {lane.refusal.status} {lane.refusal.code}: {lane.refusal.message}")


def _limits(told: "Explained") -> list[dict[str, Any]]:
    """Those of the caller and the model, then those of the lanes."""
    rows = [("", row) for row in told.limits]
    rows += [(lane.provider, row) for lane in told.lanes for row in lane.limits]
    return [
        {
            "kind": row["kind"],
            "amount": row["amount"],
            "per seconds": row["per_seconds"],
            "scope": row["scope"],
            "model": row["model"],
            "provider": provider,
            "from": row["from"],
        }
        for provider, row in rows
    ]
