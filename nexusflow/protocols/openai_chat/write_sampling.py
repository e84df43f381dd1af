"""Sampling parameters for a Chat provider (protocols 2.1.6)."""

from typing import Any

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses


def sampling(call: ChatCall, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """The parameters that the model takes. One that it does not is a loss, unless it has no effect anyway (2.0.3).

    Raises `RequestRefused` for log probabilities from a model that reports none.
    """
    asked = call.sampling
    written: dict[str, Any] = {}
    hints: list[tuple[str, Any, Any, bool]] = [
        ("temperature", asked.temperature, 1, capabilities.sampling),
        ("top_p", asked.top_p, 1, capabilities.sampling),
        ("top_k", asked.top_k, 0, capabilities.top_k),
        ("frequency_penalty", asked.frequency_penalty, 0, capabilities.penalties),
        ("presence_penalty", asked.presence_penalty, 0, capabilities.penalties),
        ("logit_bias", asked.logit_bias, {}, capabilities.sampling),
        ("seed", asked.seed, None, capabilities.sampling),
    ]
    for name, value, idle, able in hints:
        if value is None:
            continue
        if able:
            written[name] = value
        elif value != idle:
            losses.drop(call.spelled(name))
    if asked.logprobs or asked.top_logprobs:
        if not capabilities.logprobs:
            where = call.spelled("logprobs" if asked.logprobs else "top_logprobs")
            message = f"`{where}`: this model reports no log probabilities"
            raise refuse(Kind.PARAM, message, param=where, code="unsupported_parameter")
        written["logprobs"] = True
        if asked.top_logprobs:
            written["top_logprobs"] = asked.top_logprobs
    return written
