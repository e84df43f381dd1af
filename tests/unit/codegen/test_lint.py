"""Lint rules: each page shows what its rule finds, and the subtle ones find neither too much nor too little."""

import copy
import hashlib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from codegen import scalars
from codegen.check import check_source
from codegen.diagnostics import Diagnostic, Severity
from codegen.fixes import apply
from codegen.lint import FAMILIES, lint, parameters
from codegen.lint.keylike import looks_like_key
from codegen.reader import read
from codegen.rules import LINTS, RULES
from codegen.shapes import KNOWN
from codegen.source import Source
from codegen.spec import Spec, TimeoutOverrides, Timeouts
from nexusflow.protocols.openai_chat.wire import ChatRequest

ROOT = Path(__file__).parents[3]
PROVIDER: dict[str, Any] = {"protocol": "openai/chat-completions", "base_url": "https://api.openai.com/v1"}
MODEL: dict[str, Any] = {
    "owner": "openai",
    "category": "language",
    "supported_protocols": ["openai/chat-completions"],
    "price": {"input": "1", "output": "4"},
    "lanes": [{"provider": "openai"}],
}


def document(fragment: dict[str, Any]) -> dict[str, Any]:
    """A whole gateway.yaml around a fragment: entries of `providers` and `models` are completed where they are not."""
    whole = {"version": 1, "providers": {"openai": {}}, "models": {"gpt": {}}, **copy.deepcopy(fragment)}
    whole["providers"] = {name: {**PROVIDER, **own} for name, own in whole["providers"].items()}
    whole["models"] = {
        name: own if "owner" in own else {**MODEL, **own} for name, own in copy.deepcopy(whole["models"]).items()
    }
    return whole


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalars.write(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalars.write(value)


def lint_text(text: str) -> list[Diagnostic]:
    tree, found = check_source(Source("gateway.yaml", text))
    assert tree is not None
    assert not found.has_errors, [item.message for item in found]
    return lint(msgspec.convert(tree.value, Spec), tree)


def lint_fragment(**fragment: Any) -> list[Diagnostic]:
    return lint_text(flow(document(fragment)))


def codes(found: list[Diagnostic]) -> list[str]:
    return [item.code for item in found]


def models(**own: Any) -> list[Diagnostic]:
    return lint_fragment(models={"gpt": own})


def provider(**own: Any) -> list[Diagnostic]:
    return lint_fragment(providers={"openai": own})


@pytest.mark.parametrize("code", sorted(LINTS))
def test_the_page_of_a_lint_rule_shows_what_it_says(code: str) -> None:
    for text, expected in ((RULES[code].bad, {code}), (RULES[code].good, set())):
        tree, broken = read(Source("page.yaml", text))
        assert not broken
        assert tree is not None
        assert set(codes(lint_fragment(**tree.value))) == expected, text


def test_every_lint_rule_is_in_a_listed_family() -> None:
    assert {check.__module__ for check in LINTS.values()} == {family.__name__ for family in FAMILIES}


@pytest.mark.parametrize(
    "file", ["gateway.yaml", *(f"examples/{name}/gateway.yaml" for name in ("minimal", "two-providers", "local-llama"))]
)
def test_what_we_ship_has_no_errors_and_only_says_what_waits_for_later_versions(file: str) -> None:
    found = lint_text((ROOT / file).read_text(encoding="utf-8"))
    assert {item.severity for item in found} <= {Severity.WARNING}
    assert set(codes(found)) <= {"NF401"}


def test_messages_stand_alone_and_every_finding_helps() -> None:
    for case in sorted((ROOT / "tests/negative").glob("NF[2-7]*/gateway.yaml")):
        for item in lint_text(case.read_text(encoding="utf-8")):
            assert "`" in item.message
            assert not item.message.endswith(".")
            assert item.help
            assert item.path


def test_R14_a_lane_is_held_to_the_timeouts_it_inherits() -> None:
    """A lane's first byte may not outlast the total of its provider, and one report at the lane is enough."""
    found = lint_fragment(
        providers={"openai": {"timeouts": {"total_seconds": 90}}},
        models={"gpt": {"lanes": [{"provider": "openai", "timeouts": {"first_byte_seconds": 100}}]}},
    )
    assert [(item.code, item.path[-1], item.path[0]) for item in found] == [("NF303", "first_byte_seconds", "models")]


def test_R14_a_wide_timeout_lowered_below_an_inherited_narrow_one_is_reported_where_it_was_lowered() -> None:
    found = provider(timeouts={"total_seconds": 30})
    assert [item.path for item in found] == [("providers", "openai", "timeouts", "total_seconds")]
    assert codes(lint_fragment(gateway={"timeouts": {"connect_seconds": 61}})) == ["NF303"]


def test_R14_a_lane_may_wait_longer_than_the_usual_as_long_as_its_phases_nest() -> None:
    """A default is no promise: only what is written in a wider place bounds."""
    lane = {"provider": "openai", "timeouts": {"first_byte_seconds": 300, "idle_seconds": 400}}
    assert not models(lanes=[lane])


def test_R14_a_lane_does_not_answer_for_what_the_gateway_says() -> None:
    lanes = [{"provider": "openai", "timeouts": {"write_stall_seconds": 5}}]
    found = lint_fragment(gateway={"timeouts": {"idle_seconds": 4000}}, models={"gpt": {"lanes": lanes}})
    assert [item.path for item in found] == [("gateway", "timeouts", "idle_seconds")]


PHASES = ("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds")
NARROWER: dict[str, Any] = {
    "provider": lambda own: {"providers": {"openai": {"timeouts": own}}},
    "model": lambda own: {"models": {"gpt": {"timeouts": own}}},
    "lane": lambda own: {"models": {"gpt": {"lanes": [{"provider": "openai", "timeouts": own}]}}},
}


@pytest.mark.parametrize("place", NARROWER)
@pytest.mark.parametrize("phase", PHASES)
def test_R14_no_phase_of_a_narrower_place_is_longer_than_a_wider_one_that_is_written(place: str, phase: str) -> None:
    """All four phases at all three places; equal is not longer."""
    wide = {"connect_seconds": 20, "first_byte_seconds": 20, "idle_seconds": 20, "total_seconds": 20}
    below = {"connect_seconds": 1, "first_byte_seconds": 10, "idle_seconds": 10, "total_seconds": 15}
    assert codes(lint_fragment(gateway={"timeouts": wide}, **NARROWER[place](below))) == []
    assert codes(lint_fragment(gateway={"timeouts": wide}, **NARROWER[place](wide))) == []
    wrong = {**dict.fromkeys(PHASES, 20), phase: 21}
    found = [
        item for item in lint_fragment(gateway={"timeouts": wide}, **NARROWER[place](wrong)) if item.code == "NF306"
    ]
    assert [(item.path[-1], item.path[0]) for item in found] == [
        (phase, "providers" if place == "provider" else "models")
    ]


def test_R14_a_lane_is_held_to_its_model_before_its_provider() -> None:
    found = lint_fragment(
        providers={"openai": {"timeouts": {"total_seconds": 300}}},
        models={
            "gpt": {
                "timeouts": {"total_seconds": 200},
                "lanes": [{"provider": "openai", "timeouts": {"total_seconds": 250}}],
            }
        },
    )
    assert [(item.code, item.path) for item in found] == [
        ("NF306", ("models", "gpt", "lanes", 0, "timeouts", "total_seconds"))
    ]
    assert "longer than the 200 of model `gpt`" in found[0].message


def test_R14_a_model_is_held_to_every_provider_of_its_lanes() -> None:
    found = lint_fragment(
        providers={"openai": {}, "slow": {"timeouts": {"total_seconds": 70}}},
        models={"gpt": {"timeouts": {"total_seconds": 80}, "lanes": [{"provider": "openai"}, {"provider": "slow"}]}},
    )
    assert [item.code for item in found] == ["NF306"]
    assert "provider `slow`" in found[0].message


def test_R14_the_fix_of_a_timeout_that_is_too_long_is_the_wider_one() -> None:
    own = {"gpt": {"timeouts": {"total_seconds": 300.5, "first_byte_seconds": 130}}}
    text = flow(document({"gateway": {"name": "t", "timeouts": {"total_seconds": 120}}, "models": own}))
    for code in ("NF306", "NF303"):  # lowering the whole time leaves a phase that is now too long for it
        found = lint_text(text)
        assert codes(found) == [code]
        text = apply(text, [item.fix for item in found if item.fix is not None])
    assert codes(lint_text(text)) == []


def test_both_kinds_of_timeouts_have_the_same_fields() -> None:
    assert Timeouts.__struct_fields__ == TimeoutOverrides.__struct_fields__


def chain(field: str, *names: str) -> dict[str, Any]:
    """Models each of which points to the next one."""
    made: dict[str, Any] = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        link = {"since": "2026-01-31", "use": following} if field == "deprecated" else [following]
        made.setdefault(name, {field: link} if following else {})
    return made


@pytest.mark.parametrize("field", ["deprecated", "fallbacks"])
def test_a_model_may_not_lead_back_to_itself(field: str) -> None:
    for names in (("a", "a"), ("a", "b", "a"), ("x", "a", "b", "c", "a")):
        found = [item for item in lint_fragment(models=chain(field, *names)) if item.code == "NF204"]
        assert len(found) == 1, names
        assert len(found[0].secondary) == len(names) - 2 - names.index("a")


def test_two_ways_to_the_same_model_are_no_cycle() -> None:
    found = lint_fragment(
        models={"a": {"fallbacks": ["b", "c"]}, "b": {"fallbacks": ["d"]}, "c": {"fallbacks": ["d"]}, "d": {}}
    )
    assert not found


def test_cycles_that_share_a_model_are_each_reported() -> None:
    found = lint_fragment(models={"a": {"fallbacks": ["b", "c"]}, "b": {"fallbacks": ["a"]}, "c": {"fallbacks": ["a"]}})
    assert codes(found) == ["NF204", "NF204"]


def test_a_chain_as_long_as_a_catalogue_can_be_is_walked_without_recursion() -> None:
    names = [f"m{at}" for at in range(1500)]
    assert codes(lint_fragment(models=chain("deprecated", *names, "m0"))) == ["NF204"]


def test_a_fix_writes_the_only_resembling_name_and_removes_the_finding() -> None:
    text = flow(document({"models": {"gpt": {"lanes": [{"provider": "opnai"}]}}}))
    found = next(item for item in lint_text(text) if item.code == "NF201")
    assert found.fix is not None
    assert not lint_text(apply(text, [found.fix]))


def test_an_alias_in_place_of_a_model_is_replaced_by_the_model() -> None:
    made = {"gpt": {"aliases": ["smart"]}, "old": {"deprecated": {"since": "2026-01-31", "use": "smart"}}}
    found = lint_fragment(models=made)
    assert codes(found) == ["NF202"]
    assert found[0].fix is not None
    assert found[0].fix.replacement == "gpt"


@pytest.mark.parametrize(
    ("first", "second"), [("&x [{provider: opnai}]", "*x"), ("[{provider: &x opnai}]", "[{provider: *x}]")]
)
def test_no_fix_edits_an_alias_of_yaml_since_others_share_it(first: str, second: str) -> None:
    model = "{owner: o, category: language, supported_protocols: [openai/chat-completions], free: true, lanes: LANES}"
    text = (
        f"version: 1\nproviders: {{openai: {flow(PROVIDER)}}}\nmodels:\n"
        f"  one: {model.replace('LANES', first)}\n  two: {model.replace('LANES', second)}\n"
    )
    assert [(item.code, item.fix is None) for item in lint_text(text)] == [("NF201", False), ("NF201", True)]


@pytest.mark.parametrize("alias", ["gpt", "gpt-2"])
def test_C14_a_name_means_one_model(alias: str) -> None:
    found = lint_fragment(models={"gpt": {"aliases": [alias]}, "gpt-2": {}})
    assert codes(found) == ["NF203"]
    assert len(found[0].secondary) == 1


def test_an_alias_in_other_capitals_than_its_own_model_is_fine() -> None:
    assert not models(aliases=["GPT"])
    assert codes(lint_fragment(models={"gpt": {"aliases": ["Smart"]}, "gpt-2": {"aliases": ["smart"]}})) == ["NF311"]


@pytest.mark.parametrize("name", ["a:generateContent", "a:countTokens", "a//b", "a/", "a/./b", "a/../b"])
def test_names_that_would_share_an_address_are_refused(name: str) -> None:
    assert codes(lint_fragment(models={name: {}})) == ["NF310"]


@pytest.mark.parametrize("name", ["qwen2.5:7b", "a/b", "v1.2/..x", "generateContent", "a:generate"])
def test_names_with_colons_slashes_and_dots_are_fine(name: str) -> None:
    assert not lint_fragment(models={name: {}})


@pytest.mark.parametrize(
    ("name", "rule", "field"),
    [
        ("temperature", {"min": 1.5, "max": 1}, "min"),
        ("temperature", {"min": 3}, "min"),
        ("temperature", {"max": 1, "default": 1.5}, "default"),
        ("temperature", {"default": "warm"}, "default"),
        ("temperature", {"default": True}, "default"),
        ("temperature", {"allowed": ["1"]}, "allowed"),
        ("n", {"default": 1.5}, "default"),
        ("n", {"max": 1.5}, "max"),
        ("n", {"min": 5}, "min"),
        ("max_tokens", {"min": 2000}, "min"),
        ("max_tokens", {"default": 2000}, "default"),
        ("seed", {"accept": False, "max": 10}, "accept"),
        ("tools", {"max": 4}, "max"),
        ("tools", {"default": 4}, "default"),
        ("stop", {"max": 4}, "max"),
        ("top_k", {"max": 100}, "max"),
        ("top_k", {"allowed": ["1"]}, "allowed"),
        ("store", {"default": "yes"}, "default"),
        ("reasoning_effort", {"allowed": ["low"], "default": "high"}, "default"),
        ("stream", {"default": True}, "stream"),
        ("messages", {"accept": False}, "messages"),
    ],
)
def test_C18_rules_about_parameters_that_cannot_hold_are_errors(name: str, rule: dict[str, Any], field: str) -> None:
    found = [item for item in _parameter(name, rule) if item.code == "NF304"]
    assert [item.path[-1] for item in found] == [field]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("temperature", {"min": 0, "max": 1, "default": 0.7}),
        ("temperature", {"accept": False, "default": 1}),
        ("n", {"max": 2, "default": 2}),
        ("max_tokens", {"min": 1, "default": 1000}),
        ("seed", {"accept": False}),
        ("stream", {"accept": False}),
        ("top_k", {"default": 40}),
        ("top_k", {"accept": False}),
        ("store", {"default": False}),
        ("stop", {"default": "END"}),
        ("reasoning_effort", {"allowed": ["low", "high"], "default": "high"}),
    ],
)
def test_C18_rules_about_parameters_that_hold_are_silent(name: str, rule: dict[str, Any]) -> None:
    assert not _parameter(name, rule)


def _parameter(name: str, rule: dict[str, Any]) -> list[Diagnostic]:
    return models(max_output_tokens=1000, capabilities={"n_max": 4}, parameters={name: rule})


def test_a_bound_beyond_the_protocol_is_a_warning_at_the_bound() -> None:
    found = models(parameters={"presence_penalty": {"min": -3, "max": 2}})
    assert [(item.code, item.severity, item.path[-1]) for item in found] == [("NF305", Severity.WARNING, "min")]


def test_the_tables_of_parameters_match_the_request_struct() -> None:
    hints = get_type_hints(ChatRequest)
    takes = {kind: {name for name, hint in hints.items() if kind in get_args(hint)} for kind in (str, bool)}
    assert hints.keys() - KNOWN == parameters.GATEWAY
    assert takes[str] & KNOWN == parameters.WORDS
    assert takes[bool] & KNOWN == parameters.FLAGS


def test_a_provider_that_cannot_take_chat_is_reported_once_with_a_count() -> None:
    found = lint_fragment(
        providers={"claude": {"protocol": "dashscope/tasks"}},
        models={name: {"lanes": [{"provider": "claude"}]} for name in ("a", "b", "c")},
    )
    assert [(item.code, item.path) for item in found] == [("NF401", ("models", "a", "lanes", 0, "provider"))]
    assert "`a` and 2 other models" in found[0].message


def test_one_lane_that_takes_chat_is_enough() -> None:
    providers = {"openai": {}, "claude": {"protocol": "dashscope/tasks"}}
    lanes = [{"provider": "claude"}, {"provider": "openai", "priority": 1}]
    assert not lint_fragment(providers=providers, models={"gpt": {"lanes": lanes}})


def test_a_model_of_images_or_tasks_says_what_it_makes() -> None:
    offers = {"supported_protocols": ["openai/chat-completions", "nexusflow/tasks"]}
    found = lint_fragment(models={"a": offers})
    assert [(item.code, item.path) for item in found] == [("NF403", ("models", "a", "supported_protocols", 1))]


@pytest.mark.parametrize(
    ("own", "field"),
    [
        ({"output": ["image"], "price": {"per_image": "1"}}, "supported_protocols"),
        ({"category": "embedding"}, "category"),
        ({"output": ["text", "embedding"]}, "supported_protocols"),
        (
            {
                "output": ["text", "video"],
                "price": {"input": "1", "output": "2", "video_seconds": [{"resolution": "720P", "per_second": "1"}]},
            },
            "supported_protocols",
        ),
    ],
)
def test_a_model_offers_protocols_that_fit_what_it_makes(own: dict[str, Any], field: str) -> None:
    found = [item for item in models(**own) if item.code == "NF402"]
    assert [item.severity for item in found] == [Severity.WARNING]
    assert field in found[0].path


def test_a_model_whose_lanes_all_have_a_price_needs_none_of_its_own() -> None:
    priced = {"provider": "openai", "price": {"input": "1", "output": "2"}}
    own = {key: value for key, value in MODEL.items() if key != "price"}
    assert not models(**{**own, "lanes": [priced]})
    assert codes(models(**{**own, "lanes": [priced, {"provider": "openai", "model": "b"}]})) == ["NF501"]


def test_a_provider_that_seems_unused_beside_a_misspelt_one_is_not_reported() -> None:
    found = lint_fragment(providers={"openai": {}}, models={"gpt": {"lanes": [{"provider": "opnai"}]}})
    assert codes(found) == ["NF201"]


@pytest.mark.parametrize(
    ("price", "field"),
    [
        ({"input": "4", "output": "1"}, "output"),
        ({"input": "1", "output": "2", "cache_read": "1.000000001"}, "cache_read"),
        ({"input": "0", "output": "2"}, "input"),
        ({"input": "1", "output": "10000.5"}, "output"),
        ({"input": "1", "output": "2", "above": [{"input_tokens": 9, "price": {"input": "3"}}]}, "input"),
        ({"input": "1", "output": "2", "tiers": {"flex": {"output": "0.5"}}}, "output"),
    ],
)
def test_a_price_that_looks_like_a_slip_is_a_warning_at_the_amount(price: dict[str, Any], field: str) -> None:
    found = models(price=price)
    assert [(item.code, item.path[-1]) for item in found] == [("NF504", field)]


@pytest.mark.parametrize(
    "price",
    [
        {"input": "1", "output": "1"},
        {"input": "1", "output": "2", "cache_read": "1", "cache_write_5m": "0"},
        {"input": "0", "output": "0", "per_request": "0.01"},
        {"input": "1", "output": "10000"},
        {"input": "1", "output": "4", "above": [{"input_tokens": 9, "price": {"input": "2", "output": "6"}}]},
    ],
)
def test_prices_that_real_lists_have_are_silent(price: dict[str, Any]) -> None:
    assert not models(price=price)


@pytest.mark.parametrize("day", ["2026-02-29", "2026-13-01", "0000-01-01", "2026-04-31"])
def test_days_that_never_come_are_errors(day: str) -> None:
    assert codes(models(deprecated={"since": day})) == ["NF505"]
    price = {"input": "1", "output": "2"}
    assert codes(models(price=price, price_changes=[{"from": day, "price": price}])) == ["NF505"]
    assert not models(deprecated={"since": "2024-02-29"})


@pytest.mark.parametrize(
    ("gateway", "limits", "expected"),
    [
        ({"workers": 2}, {"kind": "memory"}, ["NF601"]),
        ({"workers": 2}, {"kind": "sqlite"}, []),
        ({"hosts": 2}, {"kind": "sqlite"}, ["NF601"]),
        ({"hosts": 2, "workers": 2}, {"kind": "redis", "url": {"env": "REDIS_URL"}}, []),
        ({}, {"kind": "memory"}, []),
    ],
)
@pytest.mark.parametrize("limited", [True, False])
def test_limits_must_be_counted_together(gateway: Any, limits: Any, expected: list[str], limited: bool) -> None:
    stores = {"limits": limits, "database": {"kind": "postgres", "url": {"env": "DATABASE_URL"}}}
    plans = {"free": {"limits": {"rpm": 1}}} if limited else {"free": {"title": "Free"}}
    assert codes(lint_fragment(gateway=gateway, stores=stores, plans=plans)) == (expected if limited else [])


def random_text(length: int, alphabet: str) -> str:
    """Text without order that is the same in every run."""
    digest = hashlib.shake_256(b"a key for a test").digest(length)
    return "".join(alphabet[byte % len(alphabet)] for byte in digest)


BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
UUID = "0b8f7c1e-93d2-4a57-8e61-5fd2c0a94b37"


@pytest.mark.parametrize(
    "value",
    [
        "sk-not-a-real-key-0000",
        "sk-ant-not-a-real-key",
        "Bearer not-a-real-key",
        "ghp_" + "0" * 36,
        "AIza" + "x" * 35,
        random_text(24, BASE62),
        random_text(43, BASE62 + "-_"),
        random_text(32, "0123456789abcdef"),
        "v1." + random_text(40, BASE62),
    ],
)
def test_SEC60_what_looks_like_a_key_is_refused_and_never_repeated(value: str) -> None:
    found = provider(headers={"X-Extra": value})
    assert codes(found) == ["NF701"]
    assert value not in found[0].message + "".join(found[0].help)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"),
        ("HTTP-Referer", "https://gateway.example.com/v1beta/openai/chat-completions?source=nexusflow"),
        ("OpenAI-Organization", "org-" + random_text(24, BASE62)),
        ("OpenAI-Project", "proj_" + random_text(24, BASE62)),
        ("X-Tenant", UUID),
        ("X-Title", "An internationalization-configuration of average length"),
        ("X-Cache-Key", "production-eu-central-1-gateway-2026"),
        ("X-DashScope-SSE", "enable"),
    ],
)
def test_SEC60_ordinary_headers_are_not_taken_for_keys(header: str, value: str) -> None:
    assert not provider(headers={header: value})


def test_SEC60_a_field_that_speaks_of_secrets_makes_identifiers_suspicious() -> None:
    assert not looks_like_key(UUID, "X-Tenant")
    assert looks_like_key(UUID, "X-Access-Token")


def test_SEC60_a_key_pasted_in_place_of_the_name_of_its_variable_is_found() -> None:
    assert codes(provider(credential={"env": "gsk_" + "0" * 40})) == ["NF701"]
    assert not provider(credential={"env": "MY_COMPANY_PRODUCTION_OPENAI_API_KEY_2026"})
    assert not provider(credential={"file": "/run/secrets/openai-production-eu-central-1"})


@pytest.mark.parametrize("host", ["127.0.0.1:8089", "127.9.9.9", "localhost", "api.localhost", "[::1]:8080"])
def test_plain_http_to_this_machine_is_fine(host: str) -> None:
    assert not provider(base_url=f"http://{host}/v1")


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost.example.com", "[2001:db8::1]", "127.0.0.1.example.com"])
def test_plain_http_to_another_machine_needs_to_be_allowed(host: str) -> None:
    assert codes(provider(base_url=f"http://{host}/v1")) == ["NF702"]
    assert not provider(base_url=f"http://{host}/v1", allow_http=True)
    assert not provider(base_url=f"https://{host}/v1")


@pytest.mark.parametrize(
    "url", ["https://a.example.com:99999/v1", "https://:8080/v1", "https://[::1/v1", "https://a:b/v1"]
)
def test_a_base_url_without_a_host_or_port_that_can_be_is_an_error(url: str) -> None:
    found = provider(base_url=url)
    assert codes(found) == ["NF704"]
    assert found[0].fix is None


@pytest.mark.parametrize(
    "route",
    ["/chat/completions", "/responses", "/messages", "/embeddings/", "/models", "/models/gemini-3:generateContent"],
)
def test_a_base_url_that_goes_on_to_a_route_is_cut(route: str) -> None:
    text = flow(document({"providers": {"openai": {"base_url": f"https://llm.example.com/v1{route}"}}}))
    found = lint_text(text)
    assert codes(found) == ["NF704"]
    assert found[0].fix is not None
    assert found[0].fix.replacement.strip('"') == "https://llm.example.com/v1"
    assert not lint_text(apply(text, [found[0].fix]))


@pytest.mark.parametrize("header", ["authorization", "X-API-Key", "Host", "content-length", "Transfer-Encoding"])
def test_headers_that_are_not_the_files_to_set_are_errors_at_their_name(header: str) -> None:
    found = provider(headers={header: "x"})
    assert [(item.code, item.path[-1]) for item in found] == [("NF703", header)]


def test_a_simulated_provider_is_on_this_machine_and_has_no_credential() -> None:
    local = "http://127.0.0.1:8089/v1"
    assert not provider(simulated=True, base_url=local)
    assert codes(provider(simulated=True, base_url=local, credential={"env": "KEY"})) == ["NF705"]
    assert codes(provider(simulated=True)) == ["NF705"]
