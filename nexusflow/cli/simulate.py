"""`nexusflow simulate`: the built-in simulated provider alone."""

import sys

import rich_click as click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="0 takes a free one.")
@click.option("--allow-public", is_flag=True, help="Allow an address that other machines can reach.")
def simulate(host: str, port: int, allow_public: bool) -> None:
    """Run the simulated provider: OpenAI Chat with deterministic replies, no key, and faults on request.

    Models: `chat`, `reasoning`, and `fault-…` ones such as fault-429 or fault-cut. Options ride behind an @:
    `chat@delay=50,events=64` streams 64 tokens, 50 ms apart. Everything it says is marked as simulated.
    """
    from nexusflow.simulator.server import is_loopback, serve

    if not is_loopback(host) and not allow_public:
        click.echo(f"error: {host} can be reached from other machines; add --allow-public if that is wanted", err=True)
        sys.exit(2)
    serve(host, port)
