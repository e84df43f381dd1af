"""NF701 and NF703: secrets written into the file, and headers that are not the file's to set."""

from collections.abc import Iterator

from codegen import spec
from codegen.diagnostics import Diagnostic
from codegen.lint.context import Context
from codegen.lint.keylike import looks_like_key
from codegen.rules import rule
from codegen.source import Path

CREDENTIALS = frozenset(("authorization", "proxy-authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"))
FRAMING = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers that describe the message or the connection; the gateway writes them for each request."""


@rule("NF701", "inline-secret")
def inline_secret(context: Context) -> Iterator[Diagnostic]:
    """A value looks like a key.

    ## Why
    The file is committed, copied and shown in reviews, and what it says ends up in the artifact. A secret is named,
    never written: the gateway reads it from the environment or from a file when it starts. If the key is real, change
    it: whoever could read the file has it.

    ## Bad
        providers:
          openai:
            headers: {X-Gateway-Pass: sk-not-a-real-key-0000}

    ## Good
        providers:
          openai:
            credential: {env: OPENAI_API_KEY}
    """
    for path, where in _suspects(context):
        yield context.report(
            "NF701",
            f"{where} holds what looks like a key",
            path,
            help=("put the key into an environment variable and write `credential: {env: NAME}`",),
        )


@rule("NF703", "credential-header")
def credential_header(context: Context) -> Iterator[Diagnostic]:
    """A literal header carries a credential, or belongs to the connection.

    ## Why
    A credential in `headers` is a secret in the file and would fight with the one of `credential`. Headers such as
    `Host` or `Content-Length` are computed for each request; a fixed value breaks it or smuggles a second one.

    ## Bad
        providers:
          openai:
            headers: {Authorization: none}

    ## Good
        providers:
          openai:
            credential: {env: OPENAI_API_KEY}
            auth: bearer
    """
    for name, provider in context.document.providers.items():
        for header in provider.headers:
            if header.lower() in CREDENTIALS:
                what, remedy = "carries a credential", "use `credential: {env: NAME}` and choose the header with `auth`"
            elif header.lower() in FRAMING:
                what, remedy = "is written by the gateway itself", "remove the header"
            else:
                continue
            yield context.report(
                "NF703",
                f"header `{header}` of provider `{name}` {what}",
                ("providers", name, "headers", header),
                key=True,
                help=(remedy,),
            )


def _suspects(context: Context) -> Iterator[tuple[Path, str]]:
    """Every place whose text looks like a key, with words for it that do not repeat the text."""
    for name, provider in context.document.providers.items():
        if looks_like_key(provider.base_url):
            yield ("providers", name, "base_url"), f"`base_url` of provider `{name}`"
        for header, value in provider.headers.items():
            if header.lower() not in CREDENTIALS and looks_like_key(value, header):
                yield ("providers", name, "headers", header), f"header `{header}` of provider `{name}`"
    for path, reference in _references(context.document):
        if looks_like_key(reference.env or ""):
            yield (*path, "env"), f"`env` of `{'.'.join(map(str, path))}`"
        if looks_like_key(reference.file or ""):
            yield (*path, "file"), f"`file` of `{'.'.join(map(str, path))}`"


def _references(document: spec.Spec) -> Iterator[tuple[Path, spec.SecretRef]]:
    """Every place that says where a secret is; people paste the secret itself there."""
    for name, provider in document.providers.items():
        if provider.credential is not None:
            yield ("providers", name, "credential"), provider.credential
    stores = document.stores
    if isinstance(stores.database, spec.PostgresDatabase):
        yield ("stores", "database", "url"), stores.database.url
    if isinstance(stores.limits, spec.RedisCounters):
        yield ("stores", "limits", "url"), stores.limits.url
    if isinstance(stores.results, spec.S3Results):
        yield ("stores", "results", "access_key"), stores.results.access_key
        yield ("stores", "results", "secret_key"), stores.results.secret_key
    if document.webhooks.secret is not None:
        yield ("webhooks", "secret"), document.webhooks.secret
    for at, alert in enumerate(document.alerts):
        for index, notice in enumerate(alert.notify or ()):
            yield ("alerts", at, "notify", index, "url"), notice.url
