"""The model list in three shapes and a union (protocols 1.8, L39 … L42)."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from nexusflow.ir.capabilities import Capabilities, ReasoningFlags
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.plan import Lane, Model, Protocol
from nexusflow.protocols.model_lists.callers import Shape, which
from nexusflow.protocols.model_lists.card import Card
from nexusflow.protocols.model_lists.catalogue import Catalogue
from tests.support.corpus import exchanges

ALL: tuple[Protocol, ...] = ("openai/chat-completions", "anthropic/messages", "google/generate-content")


def card(name: str, protocols: tuple[Protocol, ...] = ALL, **more: Any) -> Card:
    shape = more.pop("reasoning", "none")
    flags = Capabilities(reasoning=ReasoningFlags(shape=shape))
    lane = Lane(path="p", provider="p", model="u", protocol="openai/chat-completions", capabilities=flags)
    reason, simulated = more.pop("reason", None), more.pop("simulated", False)
    fields: dict[str, Any] = {"title": name.title(), "owner": "vendor", "category": "language", **more}
    return Card(model=Model(id=name, lanes=(lane,), protocols=protocols, **fields), reason=reason, simulated=simulated)


def listed(cards: list[Card], shape: Shape, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Catalogue(cards).listed(shape, query.encode()))
    return found


def one(cards: list[Card], shape: Shape, name: str) -> dict[str, Any]:
    body = Catalogue(cards).one(shape, name)
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found


FULL = card(
    "vendor/large",
    (*ALL, "openai/embeddings"),
    description="Big.",
    tags=("new",),
    aliases=("large",),
    context_tokens=1000,
    max_output_tokens=100,
    input=("text", "image"),
    deprecated="since 2026-10-01; use vendor/next",
    reasoning="effort",
)


def test_L39_L41_OpenAI_shape() -> None:
    found = listed([FULL], "openai")
    assert (found["object"], len(found["data"])) == ("list", 1)
    assert found["data"][0] == {
        "id": "vendor/large",
        "object": "model",
        "created": 0,
        "owned_by": "vendor",
        "title": "Vendor/Large",
        "description": "Big.",
        "category": "language",
        "tags": ["new"],
        "aliases": ["large"],
        "supported_protocols": [*ALL, "openai/embeddings"],
        "context_length": 1000,
        "max_output_tokens": 100,
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        "deprecated": "since 2026-10-01; use vendor/next",
        "available": True,
    }
    assert one([FULL], "openai", "vendor/large") == found["data"][0] == one([FULL], "openai", "large")


def test_T112_G42_Anthropic_shape() -> None:
    """A model that has no creation time has one all the same: clients parse it."""
    found = listed([FULL], "anthropic")
    assert {name: found[name] for name in ("has_more", "first_id", "last_id")} == {
        "has_more": False,
        "first_id": "vendor/large",
        "last_id": "vendor/large",
    }
    item = found["data"][0]
    assert {name: item[name] for name in ("type", "id", "display_name", "created_at", "lifecycle")} == {
        "type": "model",
        "id": "vendor/large",
        "display_name": "Vendor/Large",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "deprecated",
    }
    assert (item["deprecated_at"], item["retires_at"]) == ("2026-10-01T00:00:00Z", None)
    assert (item["max_input_tokens"], item["max_tokens"]) == (1000, 100)
    assert one([card("a")], "anthropic", "a")["lifecycle"] == "active"


def test_G42_Gemini_shape() -> None:
    item = listed([FULL], "gemini")["models"][0]
    assert item["name"] == "models/vendor/large"
    assert (item["displayName"], item["description"], item["thinking"]) == ("Vendor/Large", "Big.", True)
    assert (item["inputTokenLimit"], item["outputTokenLimit"]) == (1000, 100)
    assert item["supportedGenerationMethods"] == [
        "generateContent",
        "streamGenerateContent",
        "countTokens",
        "embedContent",
        "batchEmbedContents",
    ]
    plain = one([card("a")], "gemini", "a")
    assert plain.keys().isdisjoint({"thinking", "inputTokenLimit", "description"})


def test_G42_Gemini_items_have_every_member_that_Google_requires() -> None:
    recorded = next(one for one in exchanges("models-list") if one.provider == "google")
    common = set.intersection(*(set(item) for item in recorded.response.json()["models"]))
    assert common - {"inputTokenLimit", "outputTokenLimit"} <= one([FULL], "gemini", "large").keys()


def test_a_list_in_a_protocol_names_what_can_be_called_over_it() -> None:
    cards = [card("chat", ("openai/chat-completions",)), card("both"), card("vectors", ("openai/embeddings",))]
    assert [one["id"] for one in listed(cards, "openai")["data"]] == ["both", "chat", "vectors"]
    assert [one["id"] for one in listed(cards, "anthropic")["data"]] == ["both"]
    assert [one["name"] for one in listed(cards, "gemini")["models"]] == ["models/both", "models/vectors"]
    assert one(cards, "anthropic", "chat")["supported_protocols"] == ["openai/chat-completions"]


def test_the_union_serves_every_SDK_at_once() -> None:
    found = listed([FULL, card("a", ("openai/chat-completions",))], "union")
    assert found.keys() == {"object", "data", "has_more", "first_id", "last_id", "models"}
    assert (found["first_id"], found["last_id"], found["has_more"]) == ("a", "vendor/large", False)
    for item in found["data"]:
        assert item.keys() > {"object", "owned_by", "created", "type", "display_name", "created_at"}
    assert [item["name"] for item in found["models"]] == ["models/vendor/large"]
    whole = one([FULL], "union", "large")
    assert (whole["id"], whole["name"], whole["display_name"]) == (
        "vendor/large",
        "models/vendor/large",
        "Vendor/Large",
    )


@pytest.mark.parametrize("shape", ["openai", "anthropic", "gemini", "union"])
def test_every_shape_says_whether_a_model_can_be_called(shape: Shape) -> None:
    item = one([card("a", reason="no credential", simulated=True)], shape, "a")
    assert (item["available"], item["unavailable_reason"], item["simulated"]) == (False, "no credential", True)
    assert one([card("a")], shape, "a").keys().isdisjoint({"unavailable_reason", "simulated"})


@pytest.mark.parametrize("shape", ["openai", "anthropic", "gemini", "union"])
def test_an_empty_catalogue_is_an_empty_list(shape: Shape) -> None:
    found = listed([], shape)
    assert found.get("data", []) == found.get("models", []) == []
    assert found.get("first_id") is None
    assert Catalogue([]).one(shape, "a") is None


MANY = [card(f"m{at:03}", ("anthropic/messages", "google/generate-content")) for at in range(45)]
IDS = [one.model.id for one in MANY]


def page(query: str) -> tuple[list[str], bool]:
    found = listed(MANY, "anthropic", query)
    ids = [item["id"] for item in found["data"]]
    assert (found["first_id"], found["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return ids, found["has_more"]


@pytest.mark.parametrize(
    ("query", "wanted", "more"),
    [
        ("", IDS[:20], True),
        ("limit=1000", IDS, False),
        ("limit=45", IDS, False),
        ("limit=44", IDS[:44], True),
        ("limit=2&after_id=m003", IDS[4:6], True),
        ("limit=2&after_id=m042", IDS[43:], False),
        ("after_id=m044", [], False),
        ("limit=2&before_id=m003", IDS[1:3], True),
        ("limit=3&before_id=m003", IDS[:3], False),
        ("before_id=m000", [], False),
        ("limit=1&after_id=&before_id=", IDS[:1], True),
        ("limit=1&beta=true", IDS[:1], True),
    ],
)
def test_Anthropic_pages(query: str, wanted: list[str], more: bool) -> None:
    assert page(query) == (wanted, more)


def test_T112_Anthropic_pages_forward_as_the_SDK_reads_them() -> None:
    read, more = page("limit=7")
    while more:
        ids, more = page(f"limit=7&after_id={read[-1]}")
        read += ids
    assert read == IDS


def test_Anthropic_lifecycle_filter() -> None:
    cards = [FULL, card("a")]
    for query, wanted in (
        ("lifecycle[]=active", ["a"]),
        ("lifecycle%5B%5D=deprecated&lifecycle%5B%5D=retired", ["vendor/large"]),
        ("lifecycle=active&lifecycle=deprecated", ["a", "vendor/large"]),
        ("lifecycle[]=retired", []),
    ):
        assert [item["id"] for item in listed(cards, "anthropic", query)["data"]] == wanted


@pytest.mark.parametrize(
    ("shape", "query", "param"),
    [
        ("anthropic", "limit=0", "limit"),
        ("anthropic", "limit=1001", "limit"),
        ("anthropic", "limit=-1", "limit"),
        ("anthropic", "limit=ten", "limit"),
        ("anthropic", "limit=1&limit=2", "limit"),
        ("anthropic", "limit=" + "9" * 30, "limit"),
        ("anthropic", "after_id=nobody", "after_id"),
        ("anthropic", "before_id=nobody", "before_id"),
        ("anthropic", "after_id=m001&before_id=m003", "before_id"),
        ("anthropic", "&".join(f"a{at}=1" for at in range(40)), None),
        ("gemini", "pageSize=-1", "pageSize"),
        ("gemini", "pageSize=x", "pageSize"),
        ("gemini", "pageSize=" + "9" * 5000, "pageSize"),
        ("gemini", "pageToken=m001", "pageToken"),
    ],
)
def test_paging_parameters_that_make_no_sense_are_refused(shape: Shape, query: str, param: str | None) -> None:
    with pytest.raises(RequestRefused) as caught:
        listed(MANY, shape, query)
    assert (caught.value.problem.kind, caught.value.problem.param) == (Kind.PARAM, param)


def test_Gemini_pages() -> None:
    read: list[str] = []
    query = "pageSize=7"
    while True:
        found = listed(MANY, "gemini", query)
        read += [item["name"].removeprefix("models/") for item in found["models"]]
        if "nextPageToken" not in found:
            break
        query = f"pageSize=7&pageToken={quote(found['nextPageToken'])}"
    assert read == IDS
    assert len(listed(MANY, "gemini", "pageSize=0")["models"]) == 45
    assert "nextPageToken" not in listed(MANY, "gemini", "pageSize=45")


def test_a_Gemini_page_token_outlives_its_model() -> None:
    token = listed(MANY, "gemini", "pageSize=3")["nextPageToken"]
    rest = [one for one in MANY if one.model.id not in ("m001", "m002")]
    assert listed(rest, "gemini", f"pageToken={token}")["models"][0]["name"] == "models/m003"


@pytest.mark.parametrize(
    ("headers", "query", "shape"),
    [
        ([(b"authorization", b"Bearer k"), (b"user-agent", b"OpenAI/Python 3.54.0")], b"", "openai"),
        ([(b"user-agent", b"AsyncOpenAI/JS 6.49.0")], b"", "openai"),
        ([(b"anthropic-version", b"2023-06-01"), (b"x-api-key", b"k")], b"limit=2", "anthropic"),
        ([(b"user-agent", b"Anthropic/Python 2.12.0"), (b"anthropic-version", b"2026-10-21")], b"", "anthropic"),
        ([(b"user-agent", b"openai"), (b"anthropic-version", b"2026-10-21")], b"", "anthropic"),
        ([(b"x-goog-api-key", b"k")], b"", "gemini"),
        ([(b"anthropic-version", b"1"), (b"x-goog-api-client", b"google-genai-sdk/3.4.0")], b"", "gemini"),
        ([(b"user-agent", b"curl/8")], b"pageSize=2&key=k", "gemini"),
        ([(b"user-agent", b"curl/8"), (b"authorization", b"Bearer k")], b"monkey=1", "union"),
        ([(b"x-api-key", b"k")], b"", "union"),
        ([], b"", "union"),
    ],
)
def test_the_caller_is_known_by_its_headers(headers: list[tuple[bytes, bytes]], query: bytes, shape: Shape) -> None:
    assert which(headers, query) == shape
    assert which(reversed(headers), query) == shape
