"""What OpenAI and Replicate are on record to have taken, refused and answered, the simulated ones do too."""

from typing import Any

import msgspec
import pytest

from tests.support.corpus import Exchange, exchanges
from tests.support.studio import Upstream

OLDER = {
    "img-ac0533e29d6f",  # took `quality` for dall-e-2, which the later recording of the same request refuses
    "img-83dff48b2082",  # the first week of gpt-image-1-mini, which answered with links, and without usage
    "img-4808a164b0a6",  # an example, whose dall-e-2 revises prompts
}
STATES = {"starting", "processing", "succeeded", "failed", "canceled"}


def recorded() -> list[Exchange]:
    return [one for one in exchanges("openai-images") if one.request and one.request.body and one.id not in OLDER]


@pytest.mark.parametrize("exchange", recorded(), ids=lambda one: one.id)
def test_images_of_openai(upstream: Upstream, exchange: Exchange) -> None:
    assert exchange.request is not None
    body: dict[str, Any] = msgspec.json.decode(exchange.request.body or "")
    answer = upstream.post(exchange.request.path, {**body, "model": f"{body['model']}@seconds=0"})
    assert answer.status == exchange.response.status
    told = exchange.response.json()
    if answer.status != 200:
        assert answer.json == told
        return
    assert answer.json.keys() >= told.keys()
    assert [one.keys() >= two.keys() for one, two in zip(answer.json["data"], told["data"], strict=True)] == [True]
    if "usage" in told:
        assert answer.json["usage"]["output_tokens"] == told["usage"]["output_tokens"]


def test_predictions_of_replicate(upstream: Upstream) -> None:
    """Members that every recorded prediction has, with the states that are known."""
    predictions = [one.response.json() for one in exchanges("replicate-task")]
    assert {one["status"] for one in predictions} <= STATES
    common = set.intersection(*(set(one) for one in predictions))
    begun = upstream.post("/v1/models/simulated/image@queue=3600/predictions", {"input": {"prompt": "robots"}})
    assert (begun.status, begun.json.keys() >= common, common >= {"id", "status", "urls", "created_at"}) == (
        201, True, True,
    )  # fmt: skip
    assert {frozenset(one["urls"]) for one in predictions} <= {
        frozenset(begun.json["urls"]), frozenset((*begun.json["urls"], "stream")),
    }  # fmt: skip
