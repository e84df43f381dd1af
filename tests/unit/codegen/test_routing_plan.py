"""What gateway.yaml says of health, timeouts and the order of lanes, as the plan holds it."""

import json
from typing import Any

import pytest

from codegen import compile_source
from codegen.check import check_source
from codegen.source import Source
from nexusflow.ir.plan import Plan, Probe

PROVIDER: dict[str, Any] = {"protocol": "openai/chat-completions", "base_url": "https://p.example/v1"}


def plan(provider: dict[str, Any] | None = None, lane: dict[str, Any] | None = None, **more: Any) -> Plan:
    gateway = more.pop("gateway", {"name": "t"})
    document = {
        "version": 1,
        "gateway": gateway,
        "providers": {"p": {**PROVIDER, **(provider or {})}},
        "models": {
            "m": {
                "owner": "o",
                "category": "language",
                "supported_protocols": ["openai/chat-completions"],
                "free": True,
                "lanes": [{"provider": "p", **(lane or {})}],
                **more,
            }
        },
    }
    compiled = compile_source(Source("gateway.yaml", json.dumps(document)))
    assert compiled.plan is not None, [found.message for found in compiled.diagnostics]
    assert not list(compiled.diagnostics)
    return compiled.plan


def test_a_provider_is_probed_only_where_that_is_said() -> None:
    """And its patience is three and five failures unless it says otherwise (contract 2.11)."""
    said: list[dict[str, Any]] = [
        {},
        {"health": {}},
        {"health": {"interval_seconds": 1.5, "path": "/up", "down_after": 9}},
    ]
    silent, asked, own = (plan(provider).providers[0] for provider in said)
    assert (silent.probe, silent.degraded_after, silent.down_after) == (None, 3, 5)
    assert (asked.probe, asked.degraded_after, asked.down_after) == (Probe(30_000, "/models"), 3, 5)
    assert (own.probe, own.degraded_after, own.down_after) == (Probe(1_500, "/up"), 3, 9)


def test_R14_of_each_timeout_the_narrowest_that_is_written_holds() -> None:
    """From wide to narrow: the gateway, the provider, the model, the lane."""
    found = plan(
        {"timeouts": {"first_byte_seconds": 40, "idle_seconds": 40, "total_seconds": 400}},
        {"timeouts": {"total_seconds": 200}},
        gateway={"name": "t", "timeouts": {"connect_seconds": 5, "first_byte_seconds": 50, "total_seconds": 500}},
        timeouts={"idle_seconds": 30, "total_seconds": 300},
    )
    times = found.models[0].lanes[0].timeouts
    assert (times.connect_ms, times.first_byte_ms, times.idle_ms, times.total_ms) == (5_000, 40_000, 30_000, 200_000)


def test_priority_goes_first_unless_identity_is_preferred() -> None:
    assert [plan().models[0].prefer, plan(prefer="identity").models[0].prefer] == ["priority", "identity"]


@pytest.mark.parametrize("path", ["models", "/a b", "/a?b", "/a#b", "/漢", "/a\n", "/\x7f"])
def test_a_probe_path_is_one_that_can_stand_in_a_request(path: str) -> None:
    provider = {**PROVIDER, "health": {"path": path}}
    text = json.dumps({"version": 1, "providers": {"p": provider}, "models": {}})
    assert "NF105" in {found.code for found in check_source(Source("gateway.yaml", text))[1]}
