"""Every alert fires when it should and only then, as `promtool` finds with made-up series (OBS-30, OBS-41)."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from codegen import compile_file, compile_source
from codegen.monitoring import emit_monitoring
from codegen.monitoring.conditions import CONDITIONS
from codegen.monitoring.queries import Queries
from codegen.source import Source
from nexusflow.telemetry import catalogue
from nexusflow.telemetry.catalogue import Metric
from tests.support.prometheus import promtool

WATCHED = Path(__file__).resolve().parents[3] / "tests/golden/watched/gateway.yaml"
SERIES = Queries("air")
CHAT = {"protocol": "openai/chat-completions", "model": "vendor/Large"}


class Trial(NamedTuple):
    """Series by their values a minute, and how many rules of an alert fire after `minutes`."""

    alert: str
    minutes: int
    series: dict[str, str]
    firing: int
    matching: str = ""


def of(metric: Metric, suffix: str = "", **labels: str) -> str:
    return SERIES.of(metric, suffix, **labels)


def calls(good: float, bad: float, minutes: int, outcome: str = "failed", code: str = "500") -> dict[str, str]:
    """So many a minute."""
    return {
        of(catalogue.REQUESTS, **CHAT, outcome="done", code="200"): f"0+{good}x{minutes}",
        of(catalogue.REQUESTS, **CHAT, outcome=outcome, code=code): f"0+{bad}x{minutes}",
    }


def first_tokens(metric: Metric, low: str, high: str, fast: float, slow: float) -> dict[str, str]:
    """So many a minute within the bucket `low`, and so many more within `high`."""
    labels = {"model": "vendor/Large", "provider": "one"}
    values = {low: fast, high: fast + slow, "+Inf": fast + slow}
    found = {of(metric, "_bucket", **labels, le=le): f"0+{count}x90" for le, count in values.items()}
    return {**found, of(metric, "_count", **labels): f"0+{fast + slow}x90"}


def gauge(metric: Metric, value: float, **labels: str) -> dict[str, str]:
    return {of(metric, **labels): f"{value}x90"}


def disk(free: float) -> dict[str, str]:
    return {**gauge(catalogue.DISK_FREE, free), **gauge(catalogue.DISK_SIZE, 100)}


def lanes(first: int, second: int) -> dict[str, str]:
    state = catalogue.DEPLOYMENT_STATE
    return {
        **gauge(state, first, deployment="one/large-2026"),
        **gauge(state, second, deployment="two/large"),
        **gauge(state, 2, deployment="one/large"),  # not of this model
    }


def tokens(estimated: int, type_: str = "output") -> dict[str, str]:
    labels = {"model": "vendor/Large", "provider": "one"}
    return {
        of(catalogue.TOKENS, **labels, type=type_, source="estimated"): f"0+{estimated}x90",
        of(catalogue.TOKENS, **labels, type="output", source="reported"): "0+100x90",
    }


LONG = 50
"""Minutes, from which on trials are computed less often."""
FAILED = catalogue.REQUESTS, {**CHAT, "outcome": "failed", "code": "503"}
ATTEMPT = {"provider": "one", "deployment": "one/large-2026"}
ALL, MINE, FAST, SLOW = 'slo="all"', 'slo="models/vendor/Large"', "burn_rate_fast", "burn_rate_slow"
TRIALS = [
    Trial(FAST, 70, calls(100, 10, 90), 2, ALL),
    Trial(FAST, 70, calls(100, 10, 90), 2, MINE + ',objective="success"'),
    Trial(FAST, 70, calls(100, 10, 90, "broken", "200"), 2, ALL),
    Trial(FAST, 70, calls(100, 10, 90, "failed", "400"), 0),
    Trial(FAST, 70, calls(100, 10, 90, "left", "200"), 0),
    Trial(FAST, 70, calls(100, 1, 90), 1, ALL),  # 0.99 %: only the pair of six hours
    Trial(FAST, 70, calls(100, 0.5, 90), 0, ALL),
    Trial(FAST, 70, calls(0, 1, 90), 0, ALL),  # all fail, but thirty in half an hour are too few
    Trial(FAST, 90, {**calls(100, 0, 90), of(FAILED[0], **FAILED[1]): "0+10x60 600x30"}, 0, ALL + ',window="1h"'),
    Trial(FAST, 70, {**calls(100, 0, 90), of(catalogue.REFUSED, protocol="p", code="503"): "0+10x90"}, 2, ALL),
    Trial(FAST, 70, first_tokens(catalogue.TTFT, "1.28", "2.56", 2, 98), 2, MINE + ',objective="ttft"'),
    Trial(FAST, 70, first_tokens(catalogue.TTFT, "1.28", "2.56", 98, 2), 0, MINE + ',objective="ttft"'),
    Trial(FAST, 70, first_tokens(catalogue.TIME_PER_TOKEN, "0.05", "0.08", 2, 98), 2, MINE + ',objective="tpot"'),
    Trial(FAST, 70, first_tokens(catalogue.TIME_PER_TOKEN, "0.05", "0.08", 98, 2), 0, MINE + ',objective="tpot"'),
    Trial(SLOW, 400, calls(1000, 3, 400), 1, ALL),
    Trial(SLOW, 400, calls(1000, 0.5, 400), 0, ALL),
    Trial("gateway_down", 5, {}, 1),
    Trial("gateway_down", 1, {}, 0),
    Trial("gateway_down", 5, gauge(catalogue.WORKERS, 1), 0),
    Trial("ledger_violation", 40, {of(catalogue.VIOLATIONS, invariant="I-01"): "_x30 1x20"}, 1),
    Trial("ledger_violation", 40, {of(catalogue.VIOLATIONS, invariant="I-01"): "0x60"}, 0),
    Trial("journal_age_seconds", 2, gauge(catalogue.JOURNAL_AGE, 301), 1),
    Trial("journal_age_seconds", 2, gauge(catalogue.JOURNAL_AGE, 299), 0),
    Trial("credential_bad", 10, {of(catalogue.ATTEMPTS, **ATTEMPT, result="credential"): "_x8 1x20"}, 1),
    Trial("credential_bad", 10, {of(catalogue.ATTEMPTS, **ATTEMPT, result="credential"): "4x8 5x20"}, 1),
    Trial("credential_bad", 10, {of(catalogue.ATTEMPTS, **ATTEMPT, result="credential"): "4x30"}, 0),
    Trial("credential_bad", 10, {of(catalogue.ATTEMPTS, **ATTEMPT, result="refused"): "0+5x30"}, 0),
    Trial("model_without_lanes", 3, lanes(2, 2), 1),
    Trial("model_without_lanes", 3, lanes(2, 1), 0),
    Trial("store_down", 3, gauge(catalogue.STORE_DOWN, 1, store="database"), 1),
    Trial("store_down", 3, gauge(catalogue.STORE_DOWN, 0, store="database"), 0),
    Trial("limits_degraded", 7, gauge(catalogue.LIMITS_DEGRADED, 1), 1),
    Trial("limits_degraded", 4, gauge(catalogue.LIMITS_DEGRADED, 1), 0),
    Trial("disk-filling", 7, disk(19), 1),
    Trial("disk-filling", 7, disk(21), 0),
    Trial("disk-full", 7, disk(19), 0),
    Trial("disk-full", 7, disk(4), 1),
    Trial("worker_restarts", 15, {of(catalogue.WORKERS_ENDED): "0+1x30"}, 1),
    Trial("worker_restarts", 15, {of(catalogue.WORKERS_ENDED): "0x10 2x30"}, 0),
    Trial("absorbed_cost_per_hour", 70, {of(catalogue.ABSORBED, reason="error"): "_x30 11x90"}, 1),
    Trial("absorbed_cost_per_hour", 70, {of(catalogue.ABSORBED, reason="error"): "0+0.1x90"}, 0),
    Trial("estimated_tokens_percent", 50, tokens(6), 1),
    Trial("estimated_tokens_percent", 50, tokens(5), 0),
    Trial("estimated_tokens_percent", 50, tokens(50, "input"), 0),
    Trial("certificate_days", 70, gauge(catalogue.CERTIFICATE, 13 * 86_400, provider="one"), 1),
    Trial("certificate_days", 70, gauge(catalogue.CERTIFICATE, 15 * 86_400, provider="one"), 0),
    Trial("budget_used_percent", 2, gauge(catalogue.BUDGET_USED, 0.91, scope="key", period="day"), 1),
    Trial("budget_used_percent", 2, gauge(catalogue.BUDGET_USED, 0.89, scope="key", period="day"), 0),
]  # fmt: skip


def metrics(trial: Trial) -> set[str]:
    return {name.partition("{")[0] for name in trial.series}


def together(trials: list[Trial]) -> list[list[Trial]]:
    """Trials that have nothing to do with each other side by side, for each costs time."""
    groups: list[list[Trial]] = []
    for trial in trials:
        for group in groups:
            if all(one.alert != trial.alert and metrics(one).isdisjoint(metrics(trial)) for one in group):
                group.append(trial)
                break
        else:
            groups.append([trial])
    return groups


def promtool_test(trials: list[Trial]) -> dict[str, Any]:
    series = {name: values for trial in trials for name, values in trial.series.items()}
    return {
        "interval": "1m",
        "input_series": [{"series": f'{name[:-1]},instance="i"}}', "values": series[name]} for name in series],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{one.alert}",alertstate="firing",{one.matching}}})',
                "eval_time": f"{one.minutes}m",
                "exp_samples": [{"labels": "{}", "value": one.firing}] if one.firing else [],
            }
            for one in trials
        ],
    }


def write(folder: Path, files: dict[str, bytes]) -> list[str]:
    """Put the rules down; their names."""
    names = [name for name in files if name.startswith("rules/")]
    (folder / "rules").mkdir()
    for name in names:
        (folder / name).write_bytes(files[name])
    return names


@pytest.mark.parametrize("long", [False, True], ids=["minutes", "hours"])
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path, long: bool) -> None:
    document = compile_file(WATCHED).document
    assert document is not None
    names = write(tmp_path, emit_monitoring(document))
    groups = together([trial for trial in TRIALS if (trial.minutes >= LONG) == long])
    pace = "5m" if long else "1m"
    tests = {"rule_files": names, "evaluation_interval": pace, "tests": [promtool_test(one) for one in groups]}
    (tmp_path / "tests.yml").write_text(json.dumps(tests))
    done = promtool("test", "rules", "tests.yml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_condition_was_tried_both_ways() -> None:
    tried = {(trial.alert, bool(trial.firing)) for trial in TRIALS}
    renamed = {"disk_free_percent": "disk-full"}
    assert tried >= {(renamed.get(when, when), fires) for when in CONDITIONS for fires in (True, False)}


def rules_of(more: str) -> dict[str, Any]:
    """The expressions of the alerts of another gateway.yaml, by name."""
    text = WATCHED.read_text(encoding="utf-8").partition("slos:")[0] + more
    compiled = compile_source(Source("gateway.yaml", text))
    assert compiled.document is not None, compiled.diagnostics
    groups = yaml.safe_load(emit_monitoring(compiled.document)["rules/alerts.yml"])["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return {
        f"{rule['alert']} {rule['labels'].get('window', '')}".strip(): rule["expr"]
        for rule in rules
        if not rule["labels"].get("slo", "").startswith("models/")
    }


def test_the_window_of_an_objective_and_the_threshold_of_an_alert_change_the_pace() -> None:
    usual = rules_of("")
    assert "> 0.0144 and" in usual["burn_rate_fast 1h"]
    assert "> 0.006 and" in usual["burn_rate_fast 6h"]
    assert "> 0.001 and" in usual["burn_rate_slow 3d"]
    week = rules_of("slos: [{name: week, success_rate: '99', window_days: 7}]")
    assert "> 0.0336 and" in week["burn_rate_fast 1h"]
    assert "> 0.01 and" in week["burn_rate_slow 3d"]  # never slower than just too fast
    calm = rules_of("alerts: [{name: calm, when: burn_rate_fast, threshold: '28.8'}]")
    assert "> 0.0288 and" in calm["calm 1h"]
    assert "> 0.012 and" in calm["calm 6h"]
    assert "burn_rate_fast 1h" not in calm
    loose = rules_of("slos: [{name: loose, success_rate: '90'}]")
    assert "burn_rate_fast 1h" not in loose  # not even failing all the time spends it so fast
    assert "> 0.6 and" in loose["burn_rate_fast 6h"]


def test_promtool_accepts_the_rules_of_the_house(tmp_path: Path) -> None:
    document = compile_file(WATCHED.parents[3] / "gateway.yaml").document
    assert document is not None
    names = write(tmp_path, emit_monitoring(document))
    done = promtool("check", "rules", *names, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
