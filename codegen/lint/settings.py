"""NF702, NF704, NF705 and NF706: addresses of providers, and of proxies."""

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from codegen.diagnostics import Diagnostic
from codegen.lint.context import Context
from codegen.rules import rule

_ROUTE = re.compile(
    r"/(?:chat/completions|completions|responses|embeddings|images/generations|messages|models"
    r"|models/[^/]+:[A-Za-z]+)/*$"
)
"""Routes that clients append to a base URL; a base URL copied from an example call ends in one."""


@rule("NF702", "plain-http")
def plain_http(context: Context) -> Iterator[Diagnostic]:
    """A provider is reached without encryption, and not on this machine.

    ## Why
    Prompts, answers and the credential would cross the network in the clear. In a network of your own that may be
    fine; then `allow_http: true` says that it is meant.

    ## Bad
        providers:
          openai: {base_url: "http://llm.example.com/v1"}

    ## Good
        providers:
          openai: {base_url: "https://llm.example.com/v1"}
    """
    for name, provider in context.document.providers.items():
        host = _host(provider.base_url)
        if host and provider.base_url.startswith("http://") and not provider.allow_http and not _is_loopback(host):
            yield context.report(
                "NF702",
                f"provider `{name}` is reached over plain http at `{host}`, which is not this machine",
                ("providers", name, "base_url"),
                help=("write https://, or add `allow_http: true` if the network in between is yours",),
            )


@rule("NF704", "base-url")
def base_url(context: Context) -> Iterator[Diagnostic]:
    """A base URL names no host or port that can be, or goes on to a route.

    ## Why
    The gateway appends the route of each call, such as `/chat/completions`. Where the base URL already ends in one,
    every call goes to an address that does not exist.

    ## Bad
        providers:
          openai: {base_url: "https://api.openai.com/v1/chat/completions"}

    ## Good
        providers:
          openai: {base_url: "https://api.openai.com/v1"}
    """
    for name, provider in context.document.providers.items():
        path = ("providers", name, "base_url")
        route = _ROUTE.search(provider.base_url)
        if _host(provider.base_url) is None:
            yield context.report(
                "NF704",
                f"`base_url` of provider `{name}` has no valid host or port",
                path,
                help=("write it like https://api.example.com/v1",),
            )
        elif route:
            shorter = provider.base_url[: route.start()]
            yield context.report(
                "NF704",
                f"`base_url` of provider `{name}` ends in `{route[0]}`, which the gateway appends itself",
                path,
                help=(f"write {shorter}",),
                fix=context.replace(path, shorter, f"remove `{route[0]}`"),
            )


@rule("NF706", "trusted-proxy")
def trusted_proxy(context: Context) -> Iterator[Diagnostic]:
    """A trusted proxy is no address or network, or every address there is.

    ## Why
    Whom the gateway trusts may name any client address, and with it any that a key is bound to. A name can change its
    address, and a network with bits beyond its prefix is most often a slip.

    ## Bad
        gateway: {trusted_proxies: [proxy.internal, 0.0.0.0/0]}

    ## Good
        gateway: {trusted_proxies: [10.0.0.7, 10.1.0.0/16]}
    """
    for at, text in enumerate(context.document.gateway.trusted_proxies):
        wrong = _odd_network(text)
        if wrong is not None:
            yield context.report(
                "NF706",
                f"trusted proxy `{text}` {wrong}",
                ("gateway", "trusted_proxies", at),
                help=("write an address, or a network like 10.0.0.0/8",),
            )


def _odd_network(text: str) -> str | None:
    try:
        network = ip_network(text)
    except ValueError:
        return "is no address or network"
    return None if network.prefixlen else "is every address there is"


@rule("NF705", "simulated-provider")
def simulated_provider(context: Context) -> Iterator[Diagnostic]:
    """A provider is marked as simulated, and looks real.

    ## Why
    The mark promises that its answers come from no model and cost nothing. A simulator runs on this machine and needs
    no credential; a real provider under that mark would be shown, and trusted, as something it is not.

    ## Bad
        providers:
          openai: {simulated: true}

    ## Good
        providers:
          openai: {simulated: false}
    """
    for name, provider in context.document.providers.items():
        host = _host(provider.base_url)
        if not provider.simulated or host is None:
            continue
        wrong = ["a credential"] if provider.credential is not None else []
        wrong += [] if _is_loopback(host) else [f"the address `{host}`"]
        if wrong:
            yield context.report(
                "NF705",
                f"provider `{name}` is marked as simulated, but has {' and '.join(wrong)}",
                ("providers", name, "simulated"),
                key=True,
                help=("remove `simulated: true`, or give it a loopback address and no credential",),
            )


def _host(url: str) -> str | None:
    """The host a URL names; None when it names none, or a port that cannot be."""
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.port != 0 else None
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or number alone: nothing is looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
