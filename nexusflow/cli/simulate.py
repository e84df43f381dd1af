"""`nexusflow simulate`: the built-in simulated provider alone."""

import sys

import rich_click as click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="0 takes a free one.")
@click.option("--allow-public", is_flag=True, help="Allow an address that other machines can reach.")
@click.option("--models", "show_models", is_flag=True, help="List the models with their options, and stop.")
def simulate(host: str, port: int, allow_public: bool, show_models: bool) -> None:
    """Run the simulated provider: deterministic replies, no key, and faults on request.

    It speaks OpenAI Chat, Responses and embeddings (base URL http://HOST:PORT/v1), Anthropic Messages and Gemini
    (http://HOST:PORT) as their own SDKs expect, and refuses what the vendors refuse.

    Models: `chat` cannot think; `reasoning` thinks and takes every parameter; `thinker` is as strict as the newest
    models; `refusing`, `filtered` and `blocked` do not answer; `embedding` makes vectors; `fault-…` ones fail, such as
    fault-429 or fault-cut. Options ride behind an @: `chat@delay=50,events=64` streams 64 events, 50 ms apart.
    Everything it says is marked as simulated.

    Images and videos are jobs at the paths of OpenAI, Google, DashScope, Zhipu, MiniMax, Kling, Replicate, fal and xAI,
    with the vendors' names of models, or `image` and `video`: `video@queue=3,seconds=20` takes 23 seconds.

    GET /_simulator/requests tells what reached it and how it ended, GET /_simulator/jobs what became of images and
    videos; POST /_simulator/reset forgets both.
    """
    from nexusflow.simulator.media.orders import MEDIA, TAKES
    from nexusflow.simulator.models import MODELS
    from nexusflow.simulator.server import serve

    if show_models:
        for name, model in MODELS.items():
            click.echo(f"{name:21} {model.rows:10} {model.what}\n{'':32} options: {', '.join(model.takes)}")
        for kind, takes in TAKES.items():
            click.echo(f"\n{kind}s, options: {', '.join(takes)}")
            for name, media in MEDIA.items():
                vendors = [vendor for vendor, made in media.offers if made == kind]
                if vendors:
                    click.echo(f"{name:51} {', '.join(vendors)}")
        return
    try:
        serve(host, port, allow_public=allow_public)
    except ValueError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"error: cannot listen on {host}:{port}: {error.strerror or error}", err=True)
        sys.exit(1)
