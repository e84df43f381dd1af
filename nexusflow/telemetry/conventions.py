"""OpenTelemetry's names, all of them, so that another version of the conventions is one page of change (OBS-01).

Those for calls of models are not stable: `v0.1.0` is the first release of the repository that they moved to, `1.36` the
version that most tools were built for. Names that begin with `nexusflow.` are our own.
"""

from typing import Literal

from msgspec import Struct

Version = Literal["v0.1.0", "1.36"]

METHOD, PATH, STATUS = "http.request.method", "url.path", "http.response.status_code"
ERROR = "error.type"
ADDRESS, PORT = "server.address", "server.port"
SERVICE, SERVICE_VERSION, INSTANCE = "service.name", "service.version", "service.instance.id"

REQUEST, ORG, TEAM, KEY = "nexusflow.request", "nexusflow.org", "nexusflow.team", "nexusflow.key"
PROTOCOL, MODEL, OUTCOME = "nexusflow.protocol", "nexusflow.model", "nexusflow.outcome"
AMOUNT, BASIS, ATTEMPTS = "nexusflow.amount", "nexusflow.basis", "nexusflow.attempts"
PROVIDER, ATTEMPT = "nexusflow.provider", "nexusflow.attempt"


class Names(Struct, frozen=True, kw_only=True):
    """The names of one version; None for what it has no name for."""

    operation: str = "gen_ai.operation.name"
    provider: str = "gen_ai.provider.name"
    model: str = "gen_ai.request.model"
    input: str = "gen_ai.usage.input_tokens"
    output: str = "gen_ai.usage.output_tokens"
    stream: str | None = "gen_ai.request.stream"
    first_chunk: str | None = "gen_ai.response.time_to_first_chunk"
    cache_read: str | None = "gen_ai.usage.cache_read.input_tokens"
    cache_write: str | None = "gen_ai.usage.cache_write.input_tokens"
    reasoning: str | None = "gen_ai.usage.reasoning.output_tokens"
    vendors: dict[str, str] = {}
    """What it calls vendors otherwise."""


NAMES: dict[Version, Names] = {
    "v0.1.0": Names(),
    "1.36": Names(
        provider="gen_ai.system",
        stream=None,
        first_chunk=None,
        cache_read=None,
        cache_write=None,
        reasoning=None,
        vendors={"x_ai": "xai"},
    ),
}

VENDORS = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "amazonaws.com": "aws.bedrock",
    "api.x.ai": "x_ai",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.groq.com": "groq",
    "api.cohere.com": "cohere",
    "api.perplexity.ai": "perplexity",
}
"""Who is behind an address, by the end of its host."""

CHAT, GENERATE, EMBED = "chat", "generate_content", "embeddings"


def operation(protocol: str, endpoint: str) -> str:
    """What is done, in the conventions' words."""
    if endpoint == EMBED:
        return EMBED
    return GENERATE if protocol.startswith("google/") else CHAT


def vendor(host: str, provider: str, names: Names) -> str:
    """Who is asked; a provider whom nobody has a name for under its own id."""
    for end, name in VENDORS.items():
        if host == end or host.endswith(("." + end, "-" + end)):
            return names.vendors.get(name, name)
    return provider
