"""What gateway.yaml says of results of tasks, links to them and webhooks, as the plan holds it (contract 2.8)."""

import json
from typing import Any

import pytest

from codegen import compile_source
from codegen.check import check_source
from codegen.source import Source
from nexusflow.ir.plan import CredentialRef, ResultsAt, Server, WebhooksAt


def document(**sections: Any) -> Source:
    model = {
        "owner": "o",
        "category": "language",
        "supported_protocols": ["openai/chat-completions"],
        "free": True,
        "lanes": [{"provider": "p"}],
    }
    providers = {"p": {"protocol": "openai/chat-completions", "base_url": "https://p.example/v1"}}
    return Source("gateway.yaml", json.dumps({"version": 1, "providers": providers, "models": {"m": model}} | sections))


def server(**sections: Any) -> Server:
    compiled = compile_source(document(**sections))
    assert compiled.plan is not None, [found.message for found in compiled.diagnostics]
    assert not list(compiled.diagnostics)
    return compiled.plan.server


def test_unless_it_says_otherwise() -> None:
    found = server()
    assert (found.results, found.webhooks, found.public_url) == (ResultsAt(), WebhooksAt(), None)
    assert (found.results.kind, found.results.path) == ("disk", ".nexusflow/results")
    assert (found.webhooks.secret, found.webhooks.allow_hosts) == (None, None)


def test_a_folder() -> None:
    assert server(stores={"results": {"kind": "disk", "path": "data/made"}}).results == ResultsAt(path="data/made")


def test_a_bucket() -> None:
    bucket = {"kind": "s3", "bucket": "made", "access_key": {"env": "A"}, "secret_key": {"file": "/run/s"}}
    keys: dict[str, Any] = {"access_key": CredentialRef("env", "A"), "secret_key": CredentialRef("file", "/run/s")}
    assert server(stores={"results": bucket}).results == ResultsAt(kind="s3", bucket="made", **keys)
    more = {"region": "eu-west-1", "endpoint": "https://s.example/", "prefix": "p/"}
    assert server(stores={"results": bucket | more}).results == ResultsAt(
        kind="s3", bucket="made", region="eu-west-1", endpoint="https://s.example", prefix="p/", **keys
    )


def test_webhooks() -> None:
    said = {"secret": {"env": "W"}, "allow_hosts": ["b.example", "a.example", "hooks.internal:8080", "b.example"]}
    hosts = ("a.example", "b.example", "hooks.internal:8080")
    assert server(webhooks=said).webhooks == WebhooksAt(secret=CredentialRef("env", "W"), allow_hosts=hosts)
    assert server(webhooks={"allow_hosts": []}).webhooks.allow_hosts == ()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("https://gateway.example", "https://gateway.example"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://gateway.example/ai/", "https://gateway.example/ai"),
    ],
)
def test_the_public_address_has_no_slash_at_its_end(said: str, meant: str) -> None:
    assert server(gateway={"public_url": said}).public_url == meant


@pytest.mark.parametrize(
    "sections",
    [
        {"gateway": {"public_url": "gateway.example"}},
        {"gateway": {"public_url": "https://user@gateway.example"}},
        {"gateway": {"public_url": "https://gateway.example?x"}},
        {"webhooks": {"allow_hosts": ["https://hooks.example.com"]}},
        {"webhooks": {"allow_hosts": ["Hooks.example.com"]}},
        {"webhooks": {"allow_hosts": ["hooks.example.com:0"]}},
        {"webhooks": {"secret": "whsec_in_the_file"}},
        {"stores": {"results": {"kind": "s3", "bucket": "made"}}},
        {"stores": {"results": {"kind": "s3", "bucket": "Made!", "access_key": {"env": "A"}}}},
    ],
)
def test_what_is_no_such_place_is_an_error(sections: dict[str, Any]) -> None:
    _, found = check_source(document(**sections))
    assert found.has_errors
