"""The response object around its output: what was asked for, echoed as the official API echoes it (protocols 2.8)."""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.reply import Asked
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_responses import usage as usages
from nexusflow.protocols.openai_responses.tables import TIERS

ID_PREFIX = "resp_"
DEFAULTS: dict[str, Raw] = {
    name: Raw(value)
    for name, value in {
        "instructions": b"null",
        "max_output_tokens": b"null",
        "max_tool_calls": b"null",
        "parallel_tool_calls": b"true",
        "previous_response_id": b"null",
        "prompt_cache_key": b"null",
        "reasoning": b'{"effort":null,"summary":null}',
        "safety_identifier": b"null",
        "store": b"true",
        "temperature": b"1.0",
        "text": b'{"format":{"type":"text"}}',
        "tool_choice": b'"auto"',
        "tools": b"[]",
        "top_logprobs": b"0",
        "top_p": b"1.0",
        "truncation": b'"disabled"',
        "user": b"null",
        "metadata": b"{}",
    }.items()
}
"""The members that repeat the request, with what the official API says of those that were not given."""

_encode = msgspec.json.Encoder().encode


class Shell:
    """One response object, spelled anew for each event that carries it: only status, output and usage change."""

    __slots__ = ("_asked_tier", "_echo", "_head")

    def __init__(self, asked: Asked) -> None:
        echo = asked.call.echo or {}
        self._head = {
            "id": ID_PREFIX + asked.response_id,
            "object": "response",
            "created_at": asked.created,
            "model": asked.model,
            "background": False,
        }
        self._echo = {name: echo.get(name, default) for name, default in DEFAULTS.items()}
        self._asked_tier = echo.get("service_tier", Raw(b'"auto"'))

    def spell(
        self,
        status: str,
        output: list[dict[str, Any]],
        *,
        usage: Usage | None = None,
        tier: str | None = None,
        error: Raw | None = None,
        incomplete: str | None = None,
    ) -> bytes:
        """The whole object as JSON. `tier` is what the provider says it used; before that it is as asked for."""
        return _encode(
            {
                **self._head,
                "status": status,
                "error": error,
                "incomplete_details": {"reason": incomplete} if incomplete is not None else None,
                "output": output,
                **self._echo,
                "service_tier": TIERS.get(tier, "default") if tier is not None else self._asked_tier,
                "usage": usages.write(usage) if usage is not None else None,
            }
        )
