"""The names of OpenTelemetry's that we use are names that it has (OBS-01)."""

from pathlib import Path

import pytest

from nexusflow.telemetry import conventions as otel
from nexusflow.telemetry.conventions import NAMES, VENDORS, Version

LIST = Path(__file__).resolve().parents[2] / "support/specs/genai-names.txt"
MISSING_IN_1_36 = {"moonshot_ai"}
"""Vendors that only the later version knows; their own name is a custom value of the former."""


def vendored(version: str) -> tuple[set[str], set[str], set[str]]:
    """Attributes, operations and providers of a version."""
    rows = [line.split()[1:] for line in LIST.read_text().splitlines() if line.startswith(f"{version} ")]
    return (
        {row[0] for row in rows if len(row) == 1},
        {row[1] for row in rows if row[0] == "operation"},
        {row[1] for row in rows if row[0] == "provider"},
    )


@pytest.mark.parametrize("version", NAMES)
def test_OBS01_names_are_those_of_the_vendored_list(version: Version) -> None:
    attributes, operations, providers = vendored(version)
    names = NAMES[version]
    used = {getattr(names, field) for field in names.__struct_fields__ if field != "vendors"} - {None}
    assert used | {otel.ERROR, otel.ADDRESS, otel.PORT} <= attributes
    assert {otel.CHAT, otel.GENERATE, otel.EMBED} <= operations
    told = {names.vendors.get(name, name) for name in VENDORS.values()}
    assert told - providers == (MISSING_IN_1_36 if version == "1.36" else set())


def test_OBS01_versions_differ_where_the_conventions_do() -> None:
    new, old = NAMES["v0.1.0"], NAMES["1.36"]
    assert (new.provider, old.provider) == ("gen_ai.provider.name", "gen_ai.system")
    assert otel.vendor("api.x.ai", "grok", new) == "x_ai"
    assert otel.vendor("api.x.ai", "grok", old) == "xai"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("acme.openai.azure.com", "azure.ai.openai"),
        ("europe-west1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "aws.bedrock"),
        ("evilapi.openai.com.example", "mine"),
        ("10.0.0.7", "mine"),
    ],
)
def test_vendors_are_told_by_their_hosts(host: str, name: str) -> None:
    assert otel.vendor(host, "mine", NAMES["v0.1.0"]) == name


@pytest.mark.parametrize(
    ("protocol", "endpoint", "name"),
    [
        ("anthropic/messages", "messages", "chat"),
        ("openai/responses", "responses", "chat"),
        ("google/generate-content", "gemini", "generate_content"),
        ("google/generate-content", "embeddings", "embeddings"),
        ("openai/embeddings", "embeddings", "embeddings"),
    ],
)
def test_operations_have_the_conventions_words(protocol: str, endpoint: str, name: str) -> None:
    assert otel.operation(protocol, endpoint) == name
