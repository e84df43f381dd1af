"""Google's images and videos, asked for by its own SDK where it can, and what the models refuse (protocols 1.7)."""

import base64
from typing import Any

import pytest
from google import genai
from google.genai import types

from tests.support.studio import Upstream

MODELS = "/v1beta/models/"
KEY = {"x-goog-api-key": "any"}


@pytest.fixture
def client(upstream: Upstream) -> genai.Client:
    return genai.Client(api_key="any", http_options=types.HttpOptions(base_url=upstream.url))


def drawn(answer: types.GenerateContentResponse) -> tuple[types.Candidate, list[types.Part]]:
    assert answer.candidates
    content = answer.candidates[0].content
    return answer.candidates[0], (content.parts or []) if content else []


def test_an_image_among_the_parts(client: genai.Client) -> None:
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"], image_config=types.ImageConfig(aspect_ratio="16:9")
    )
    answer = client.models.generate_content(model="gemini-2.5-flash-image@seconds=0", contents="a cat", config=config)
    candidate, (text, image) = drawn(answer)
    assert text.text
    assert image.inline_data is not None
    assert image.inline_data.mime_type == "image/png"
    data = image.inline_data.data or b""
    assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (1344, 768)
    assert candidate.finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage is not None
    assert usage.candidates_tokens_details == [
        types.ModalityTokenCount(modality=types.MediaModality.IMAGE, token_count=1290)
    ]


def test_an_image_in_a_stream(client: genai.Client) -> None:
    frames = list(client.models.generate_content_stream(model="image@seconds=0", contents="a cat"))
    parts = [part for frame in frames for part in drawn(frame)[1]]
    assert [part.inline_data is not None for part in parts] == [False, True]
    assert drawn(frames[-1])[0].finish_reason == types.FinishReason.STOP


@pytest.mark.parametrize(
    ("options", "finish"), [("fail=policy", "IMAGE_SAFETY"), ("short", "NO_IMAGE"), ("fail=PROHIBITED_CONTENT",) * 2]
)
def test_no_image_with_a_reason(upstream: Upstream, options: str, finish: str) -> None:
    body = {
        "contents": [{"parts": [{"text": "a cat"}]}],
        "generationConfig": {"responseModalities": ["IMAGE"]},
    }
    (candidate,) = upstream.post(f"{MODELS}image@seconds=0,{options}:generateContent", body).json["candidates"]
    assert candidate == {"finishReason": finish.removeprefix("fail="), "index": 0}


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("gemini-3-pro-image-preview", {"imageConfig": {"aspectRatio": "5:7"}}),
        ("gemini-3-pro-image-preview", {"imageConfig": {"imageSize": "3K"}}),
        ("gemini-2.5-flash-image", {"imageConfig": {"imageSize": "2K"}}),
        ("gemini-2.5-flash-image", {"imageConfig": {"quality": "high"}}),
        ("gemini-2.5-flash-image", {"candidateCount": 2}),
        ("gemini-2.5-flash-image", {"responseModalities": ["AUDIO"]}),
        ("gemini-2.5-flash-image", {"n": 2}),
    ],
)
def test_what_the_models_that_draw_do_not_take(upstream: Upstream, model: str, config: dict[str, Any]) -> None:
    body = {"contents": [{"parts": [{"text": "a cat"}]}], "generationConfig": config}
    answer = upstream.post(f"{MODELS}{model}:generateContent", body)
    assert (answer.status, answer.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert upstream.jobs() == []


def test_refusals_and_failures(upstream: Upstream) -> None:
    body = {"contents": [{"parts": [{"text": "a cat"}]}]}
    told = [
        upstream.post(f"{MODELS}image@seconds=0,{options}:generateContent", body).json["error"]["status"]
        for options in ("refuse=rate", "refuse=unavailable", "fail")
    ]
    assert told == ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL"]
    assert upstream.post(f"{MODELS}veo-3.0-generate-001:generateContent", body).status == 404
    assert upstream.post(f"{MODELS}chat:generateContent", body).json["candidates"][0]["content"]["parts"][0]["text"]


def test_imagen(upstream: Upstream) -> None:
    path = f"{MODELS}imagen-4.0-generate-001@seconds=0:predict"
    body = {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2, "aspectRatio": "9:16"}}
    made = upstream.post(path, body).json["predictions"]
    assert [one["mimeType"] for one in made] == ["image/png"] * 2
    assert len({base64.b64decode(one["bytesBase64Encoded"])[:60] for one in made}) == 2
    for parameters in ({"sampleCount": 5}, {"aspectRatio": "2:3"}, {"size": "1K"}):
        assert upstream.post(path, {**body, "parameters": parameters}).json["error"]["code"] == 400
    filtered = path.replace("seconds=0", "seconds=0,fail=policy")
    assert upstream.post(filtered, body).json == {}
    (reason,) = upstream.post(filtered, {**body, "parameters": {"includeRaiReason": True}}).json["predictions"]
    assert reason["raiFilteredReason"]


def begun(upstream: Upstream, model: str, **parameters: Any) -> str:
    body = {"instances": [{"prompt": "a cat"}], "parameters": parameters}
    answer = upstream.post(f"{MODELS}{model}:predictLongRunning", body)
    assert answer.status == 200, answer.json
    name: str = answer.json["name"]
    return name


def test_a_video_and_its_file(upstream: Upstream, client: genai.Client) -> None:
    name = begun(upstream, "veo-3.0-generate-001@seconds=0", aspectRatio="9:16", durationSeconds=8, resolution="1080p")
    operation = client.operations.get(types.GenerateVideosOperation.model_validate({"name": name}))
    assert operation.done
    assert operation.response is not None
    made = (operation.response.generated_videos or [])[0]
    uri = (made.video and made.video.uri) or ""
    assert uri.endswith(":download?alt=media")
    refused = upstream.get(uri)
    assert (refused.status, refused.json["error"]["status"]) == (403, "PERMISSION_DENIED")
    found = upstream.get(uri, KEY)
    assert (found.status, upstream.get(found.headers["location"]).body[4:8]) == (302, b"ftyp")
    assert client.files.download(file=f"files/{uri.split('files/')[1].split(':')[0]}")[4:8] == b"ftyp"


def test_states_of_an_operation(upstream: Upstream) -> None:
    for options in ("never", "queue=3600"):
        name = begun(upstream, f"video@{options}")
        assert upstream.get(f"/v1beta/{name}").json == {"name": name}
    failed = upstream.get(f"/v1beta/{begun(upstream, 'video@seconds=0,fail')}").json
    assert (failed["done"], failed["error"]["code"]) == (True, 13)
    filtered = upstream.get(f"/v1beta/{begun(upstream, 'video@seconds=0,fail=policy')}").json
    assert filtered["response"]["generateVideoResponse"]["raiMediaFilteredCount"] == 1
    assert "generatedSamples" not in filtered["response"]["generateVideoResponse"]
    flaky = begun(upstream, "video@flaky=1")
    assert upstream.get(f"/v1beta/{flaky}").json["error"]["status"] == "INTERNAL"
    assert upstream.get("/v1beta/models/video/operations/none").status == 404
    expired = upstream.get(f"/v1beta/{begun(upstream, 'video@seconds=0,expired-url')}").json["response"]
    (sample,) = expired["generateVideoResponse"]["generatedSamples"]
    assert upstream.get(sample["video"]["uri"], KEY).status == 403


@pytest.mark.parametrize(
    ("instance", "parameters", "said"),
    [
        ({}, {}, "prompt is empty"),
        ({"prompt": "x"}, {"durationSeconds": "8"}, "needs to be a number"),
        ({"prompt": "x"}, {"durationSeconds": 5}, "out of bound"),
        ({"prompt": "x"}, {"durationSeconds": 4, "resolution": "1080p"}, "8 seconds only"),
        ({"prompt": "x"}, {"aspectRatio": "1:1"}, "aspectRatio"),
        ({"prompt": "x"}, {"resolution": "480p"}, "resolution"),
        ({"prompt": "x"}, {"size": "720p"}, "Unknown name"),
        ({"prompt": "x", "image": {"mimeType": "image/png"}}, {}, "bytesBase64Encoded"),
        ({"prompt": "x", "lastFrame": {"mimeType": "image/png", "bytesBase64Encoded": "aa"}}, {}, "needs `image`"),
    ],
)
def test_what_veo_does_not_take(
    upstream: Upstream, instance: dict[str, Any], parameters: dict[str, Any], said: str
) -> None:
    body = {"instances": [instance], "parameters": parameters}
    answer = upstream.post(f"{MODELS}veo-3.1-generate-preview:predictLongRunning", body)
    assert answer.status == 400
    assert said in answer.said
    assert upstream.jobs() == []
