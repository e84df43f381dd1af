"""Gemini's and Imagen's pictures as requests and answers (protocols 1.7)."""

from typing import Any

import pytest
from hypothesis import given
from msgspec import Raw

from nexusflow.ir.errors import Kind
from nexusflow.ir.task import Failed, Made, Output
from nexusflow.protocols.makers import google
from nexusflow.protocols.makers.gemini_images import MAKER
from nexusflow.protocols.makers.maker import Answer
from tests.support import corpus, making
from tests.support.making import JPEG, JPEG_DATA, PNG, PNG_DATA, answer, asked, destination, image, refused

FLASH, PRO, IMAGEN = "gemini-2.5-flash-image", "gemini-3-pro-image", "imagen-4.0-generate-001"
DRAWN = [exchange for exchange in corpus.exchanges("gemini-generate") if "image_out" in exchange.features]
BLOCKED = [exchange for exchange in corpus.exchanges("gemini-generate") if "prompt_blocked" in exchange.features]
USAGE = {
    "promptTokenCount": 1105,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 17}, {"modality": "IMAGE", "tokenCount": 1088}],
    "candidatesTokenCount": 1336,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    "totalTokenCount": 2441,
}


@pytest.mark.parametrize(
    ("model", "brief", "body"),
    [
        (
            FLASH,
            image(),
            b'{"contents":[{"role":"user","parts":[{"text":"A cat"}]}],'
            b'"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}',
        ),
        (
            FLASH,
            image(size="1024x1024", quality="high", style="vivid", background="opaque", output_format="png", user="u"),
            b'{"contents":[{"role":"user","parts":[{"text":"A cat"}]}],'
            b'"generationConfig":{"responseModalities":["TEXT","IMAGE"],"imageConfig":{"aspectRatio":"1:1"}}}',
        ),
        (
            PRO,
            image(size="2816x1536", seed=7),
            b'{"contents":[{"role":"user","parts":[{"text":"A cat"}]}],"generationConfig":{"responseModalities":'
            b'["TEXT","IMAGE"],"imageConfig":{"aspectRatio":"16:9","imageSize":"2K"},"seed":7}}',
        ),
        (
            PRO,
            image(ratio="21:9", resolution="4k", extra={"safetySettings": Raw(b"[]"), "temperature": Raw(b"0.5")}),
            b'{"contents":[{"role":"user","parts":[{"text":"A cat"}]}],"safetySettings":[],"generationConfig":'
            b'{"responseModalities":["TEXT","IMAGE"],"imageConfig":{"aspectRatio":"21:9","imageSize":"4K"},'
            b'"temperature":0.5}}',
        ),
        (
            FLASH,
            image("Join them", images=(PNG, JPEG)),
            b'{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"'
            + PNG_DATA.encode()
            + b'"}},{"inlineData":{"mimeType":"image/jpeg","data":"'
            + JPEG_DATA.encode()
            + b'"}},{"text":"Join them"}]}],"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}',
        ),
    ],
)
def test_an_image_is_asked_for_as_generated_content(model: str, brief: Any, body: bytes) -> None:
    request = asked(MAKER, brief, model)
    assert request.path == f"/v1beta/models/{model}:generateContent"
    assert request.body == body


def test_several_images_are_several_calls() -> None:
    requests = MAKER.submit(image(n=3), destination(FLASH), making.REFERENCE)
    assert len(requests) == 3
    assert len(set(map(bytes, (request.body for request in requests)))) == 1


@pytest.mark.parametrize(
    ("size", "ratio", "resolution"),
    [
        ("1024x1024", "1:1", "1K"),
        ("256x256", "1:1", "1K"),
        ("1536x1024", "3:2", "1K"),
        ("1024x1536", "2:3", "1K"),
        ("1792x1024", "16:9", "1K"),
        ("768x1408", "9:16", "1K"),
        ("1536x640", "21:9", "1K"),
        ("896x1088", "4:5", "1K"),
        ("768x1024", "3:4", "1K"),
        ("2048x2048", "1:1", "2K"),
        ("5632x3072", "16:9", "4K"),
    ],
)
def test_a_size_means_the_nearest_ratio_and_word(size: str, ratio: str, resolution: str) -> None:
    ratios = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
    assert google.shape(image(size=size), destination(PRO), ratios, ("1K", "2K", "4K")) == (ratio, resolution)


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (image(size="1024x100"), "size"),
        (image(size="16384x16384"), "size"),
        (image(size="wide"), "size"),
        (image(size="0x1024"), "size"),
        (image(size="1024x"), "size"),
        (image(size="10240000x10240000"), "size"),
        (image(ratio="7:5"), "ratio"),
        (image(resolution="8K"), "resolution"),
        (image(output_format="webp"), "output_format"),
        (image(output_compression=50), "output_compression"),
        (image(moderation="low"), "moderation"),
        (image(mask=PNG, images=(PNG,)), "mask"),
        (image(negative_prompt="dogs"), "negative_prompt"),
        (image(n=11), "n"),
        (image(images=("https:/x",)), "images"),
        (image(extra={"candidateCount": Raw(b"8")}), "candidateCount"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(brief: Any, param: str) -> None:
    problem = refused(MAKER, brief, FLASH)
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


def test_the_long_ratios_are_those_of_one_family() -> None:
    assert b'"aspectRatio":"8:1"' in asked(MAKER, image(ratio="8:1"), "gemini-3.1-flash-image").body
    assert refused(MAKER, image(ratio="8:1"), FLASH).param == "ratio"


@pytest.mark.parametrize("exchange", DRAWN, ids=lambda exchange: exchange.id)
def test_every_recorded_picture_is_read(exchange: corpus.Exchange) -> None:
    made = MAKER.submitted(image(), [Answer(body=exchange.response.data)])
    assert isinstance(made, Made)
    (output,) = made.outputs
    parts = exchange.response.json()["candidates"][0]["content"]["parts"]
    (blob,) = [part["inlineData"] for part in parts if "inlineData" in part]
    assert (output.data, output.mime) == (blob["data"], blob["mimeType"])
    assert made.output_tokens == 1290
    assert made.input_text_tokens == exchange.response.json()["usageMetadata"]["promptTokenCount"]


@pytest.mark.parametrize("exchange", corpus.exchanges("gemini-generate"), ids=lambda exchange: exchange.id)
def test_every_recorded_answer_is_read(exchange: corpus.Exchange) -> None:
    """Whatever a model says in place of an image: it is a failure, and never an empty success."""
    if exchange.response.status != 200:
        assert MAKER.refusal(exchange.response.status, exchange.response.data, None).message
        return
    read = MAKER.submitted(image(), [Answer(body=exchange.response.data)])
    assert isinstance(read, Made if exchange in DRAWN else Failed)
    assert not isinstance(read, Made) or read.outputs


def test_a_blocked_prompt_is_a_matter_of_content() -> None:
    (exchange,) = BLOCKED
    failed = MAKER.submitted(image(), [Answer(body=exchange.response.data)])
    told = "The prompt violated Prompt Injection and Jailbreak filters."
    assert failed == Failed(message=told, code="content_policy_violation")


def candidate(*parts: Any, reason: str = "STOP", **more: Any) -> dict[str, Any]:
    """An answer of one candidate."""
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": reason, **more}], "usageMetadata": USAGE}


def picture(data: str = PNG_DATA, **more: Any) -> dict[str, Any]:
    """A part that is a picture."""
    return {"inlineData": {"mimeType": "image/png", "data": data}, **more}


def test_tokens_of_text_and_pictures_are_told_apart() -> None:
    made = MAKER.submitted(image(), [answer(candidate({"text": "Here"}, picture()))])
    assert isinstance(made, Made)
    assert made.outputs == (Output(data=PNG_DATA, mime="image/png"),)
    assert (made.input_text_tokens, made.input_image_tokens, made.output_tokens) == (17, 1088, 1290)
    assert made.output_format == "png"


def test_a_picture_drawn_while_thinking_is_no_result() -> None:
    made = MAKER.submitted(image(), [answer(candidate(picture("AAAA", thought=True), picture()))])
    assert isinstance(made, Made)
    assert [output.data for output in made.outputs] == [PNG_DATA]


def test_U40_one_of_several_calls_that_gave_nothing_makes_the_result_smaller() -> None:
    answers = [answer(candidate(picture())), answer(candidate(reason="IMAGE_SAFETY")), answer(candidate(picture()))]
    made = MAKER.submitted(image(n=3), answers)
    assert isinstance(made, Made)
    assert len(made.outputs) == 2
    assert made.output_tokens == 3 * 1290


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (candidate(reason="NO_IMAGE"), Failed(message="The model answered without an image.")),
        (candidate({"text": "I cannot draw that."}), Failed(message="I cannot draw that.")),
        (
            candidate(reason="IMAGE_SAFETY", finishMessage="Unable to show it."),
            Failed(message="Unable to show it.", code="content_policy_violation"),
        ),
        (
            candidate(reason="PROHIBITED_CONTENT"),
            Failed(message="The model answered without an image.", code="content_policy_violation"),
        ),
        (
            {"promptFeedback": {"blockReason": "SAFETY"}},
            Failed(message="The provider blocked the prompt.", code="content_policy_violation"),
        ),
        ({}, Failed(message="The model answered without an image.")),
        (
            {"error": {"code": 400, "message": "Bad picture.", "status": "INVALID_ARGUMENT"}},
            Failed(message="Bad picture.", code="invalid_request"),
        ),
    ],
)
def test_an_answer_without_an_image_is_never_an_empty_success(body: Any, expected: Failed) -> None:
    assert MAKER.submitted(image(), [answer(body)]) == expected


def test_of_several_reasons_that_of_content_is_told() -> None:
    failed = MAKER.submitted(image(n=2), [answer(candidate(reason="OTHER")), answer(candidate(reason="SPII"))])
    assert isinstance(failed, Failed)
    assert failed.code == "content_policy_violation"


@pytest.mark.parametrize(
    ("brief", "body"),
    [
        (image(), b'{"instances":[{"prompt":"A cat"}],"parameters":{"sampleCount":1,"includeRaiReason":true}}'),
        (
            image(n=4, size="1408x768", output_format="jpeg", output_compression=75, quality="hd"),
            b'{"instances":[{"prompt":"A cat"}],"parameters":{"sampleCount":4,"aspectRatio":"16:9","outputOptions":'
            b'{"mimeType":"image/jpeg","compressionQuality":75},"includeRaiReason":true}}',
        ),
        (
            image(ratio="3:4", resolution="2K", extra={"personGeneration": Raw(b'"dont_allow"')}),
            b'{"instances":[{"prompt":"A cat"}],"parameters":{"sampleCount":1,"aspectRatio":"3:4",'
            b'"sampleImageSize":"2K","includeRaiReason":true,"personGeneration":"dont_allow"}}',
        ),
    ],
)
def test_an_imagen_is_asked_to_predict(brief: Any, body: bytes) -> None:
    request = asked(MAKER, brief, IMAGEN)
    assert request.path == "/v1beta/models/imagen-4.0-generate-001:predict"
    assert request.body == body


@pytest.mark.parametrize(
    ("brief", "param"),
    [
        (image(seed=1), "seed"),
        (image(negative_prompt="dogs"), "negative_prompt"),
        (image(images=(PNG,)), "images"),
        (image(ratio="21:9"), "ratio"),
        (image(size="4096x4096"), "size"),
        (image(n=5), "n"),
        (image(output_format="webp"), "output_format"),
        (image(extra={"sampleCount": Raw(b"8")}), "sampleCount"),
    ],
)
def test_what_an_imagen_cannot_do_is_refused_by_name(brief: Any, param: str) -> None:
    problem = refused(MAKER, brief, IMAGEN)
    assert (problem.kind, problem.param) == (Kind.PARAM, param)


def test_predictions_are_images_or_reasons() -> None:
    held = {"raiFilteredReason": "Unable to show the generated image."}
    made = {"mimeType": "image/png", "bytesBase64Encoded": PNG_DATA, "prompt": "A fine cat"}
    output = Output(data=PNG_DATA, mime="image/png", revised_prompt="A fine cat")
    assert MAKER.submitted(image(), [answer({"predictions": [held, made]})]) == Made(outputs=(output,))
    failed = Failed(message="Unable to show the generated image.", code="content_policy_violation")
    assert MAKER.submitted(image(), [answer({"predictions": [held]})]) == failed
    nothing = Failed(message="The provider answered without an image.")
    assert MAKER.submitted(image(), [answer({"predictions": []})]) == nothing


def test_U24_a_bad_key_is_never_shown_as_the_callers() -> None:
    error = {
        "code": 400,
        "message": "API key not valid.",
        "details": [{"@type": "x.ErrorInfo", "reason": "API_KEY_INVALID"}],
    }
    assert MAKER.refusal(400, answer({"error": error}).body, None).kind is Kind.UPSTREAM


NAMES = ("candidates", "content", "parts", "inlineData", "data", "finishReason", "usageMetadata", "promptTokensDetails")


@given(making.any_json(*NAMES, "predictions", "promptFeedback", "error", "bytesBase64Encoded"))
def test_any_json_is_read_or_refused(body: Any) -> None:
    for read in making.reads_or_raises(MAKER, image(), "x", answer(body)):
        assert not isinstance(read, Made) or read.outputs


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b'{"usageMetadata":' + b"[" * 100_000])
def test_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any of them: the engine needs no more
        MAKER.submitted(image(), [Answer(body=body)])
