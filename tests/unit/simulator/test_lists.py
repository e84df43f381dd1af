"""The list of models in three shapes, told apart by the headers where the vendors share a path (protocols 1.8)."""

import pytest

from nexusflow.simulator.models import MODELS
from tests.support.simulated import SECOND_VERSION, VERSION, Simulated

GOOGLE = {"x-goog-api-key": "any"}


def test_each_vendor_gets_its_own_shape() -> None:
    provider, names = Simulated(), list(MODELS)
    assert [one["id"] for one in provider.get("/v1/models").json["data"]] == names
    for headers in (VERSION, SECOND_VERSION):
        page = provider.get("/v1/models?limit=1000", headers).json
        assert [one["id"] for one in page["data"]] == names
        assert (page["has_more"], page["first_id"], page["last_id"]) == (False, names[0], names[-1])
        assert page["data"][0]["created_at"].endswith("Z")
    for path, headers in (("/v1/models", GOOGLE), ("/v1beta/models", {}), ("/v1/models?key=any", {})):
        assert [one["name"] for one in provider.get(path, headers).json["models"]] == [
            f"models/{name}" for name in names
        ]


@pytest.mark.parametrize(
    ("headers", "status"), [({}, "model_not_found"), (GOOGLE, "NOT_FOUND"), (VERSION, "not_found_error")]
)
def test_one_model_or_none(headers: dict[str, str], status: str) -> None:
    provider = Simulated()
    one = provider.get("/v1/models/chat", headers).json
    assert "chat" in (one.get("id"), one.get("name", "").removeprefix("models/"))
    none = provider.get("/v1/models/none", headers)
    assert none.status == 404
    assert status in none.json["error"].values()


def test_pages() -> None:
    provider, names = Simulated(), list(MODELS)
    first = provider.get("/v1/models", VERSION).json
    assert (len(first["data"]), first["has_more"]) == (20, True)
    second = provider.get(f"/v1/models?after_id={first['last_id']}&limit=1000", VERSION).json
    assert [one["id"] for one in (*first["data"], *second["data"])] == names
    before = provider.get(f"/v1/models?before_id={second['first_id']}&limit=2", VERSION).json
    assert ([one["id"] for one in before["data"]], before["has_more"]) == (names[18:20], True)
    page = provider.get("/v1beta/models?pageSize=30").json
    rest = provider.get(f"/v1beta/models?pageSize=30&pageToken={page['nextPageToken']}").json
    assert [one["name"] for one in (*page["models"], *rest["models"])] == [f"models/{name}" for name in names]
    assert "nextPageToken" not in rest


def test_what_a_model_is_for() -> None:
    cards = {one["name"]: one for one in Simulated().get("/v1beta/models").json["models"]}
    assert cards["models/embedding"]["supportedGenerationMethods"] == ["embedContent"]
    assert cards["models/chat"]["supportedGenerationMethods"] == ["generateContent", "countTokens"]
    assert (cards["models/chat"]["thinking"], cards["models/thinker"]["thinking"]) == (False, True)
