"""Media by URL becomes bytes for providers that cannot fetch it themselves (protocols 2.1.2)."""

import asyncio
import base64
from collections.abc import Mapping

import pytest

from nexusflow.flow import media
from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.chat import (
    ChatCall,
    Data,
    FileRef,
    Media,
    Origin,
    Part,
    Text,
    ToolResult,
    Turn,
    Url,
)
from nexusflow.ir.errors import RequestRefused
from nexusflow.upstream.guard import NotFetched

CHAT: Origin = "openai/chat-completions"
RESPONSES: Origin = "openai/responses"
CLAUDE: Origin = "anthropic/messages"
GOOGLE: Origin = "google/generate-content"
PNG, PDF = b"\x89PNG\r\n\x1a\n0000", b"%PDF-1.7 x"
AT = "https://x.example"
FILES: dict[str, tuple[bytes, str]] = {
    f"{AT}/a.png": (PNG, "image/png"),
    f"{AT}/odd": (PNG, "application/octet-stream"),
    f"{AT}/liar.png": (b"<html>", "text/html; charset=utf-8"),
    f"{AT}/svg": (b"<svg/>", "image/svg+xml"),
    f"{AT}/a.pdf": (PDF, "application/pdf"),
    f"{AT}/a.txt": (b"hello", "text/plain"),
    f"{AT}/a.bin": (b"????", ""),
    f"{AT}/a.mp3": (b"ID3\x04", "audio/mpeg"),
    f"{AT}/a.mp4": (b"\0\0\0\x18ftypisom", "video/mp4"),
}


class Web:
    """Serves `FILES`, and remembers what was asked for and how much at once."""

    def __init__(self, files: Mapping[str, tuple[bytes, str]] = FILES) -> None:
        self.files = files
        self.asked: list[str] = []
        self.open = self.most = 0

    async def fetch(self, url: str) -> tuple[bytes, str]:
        self.asked.append(url)
        self.open += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        if url not in self.files:
            raise NotFetched("the address could not be fetched")
        return self.files[url]


def image(name: str) -> Media:
    return Media(kind="image", source=Url(f"{AT}/{name}"))


def file(name: str, mime: str | None = None) -> Media:
    return Media(kind="file", source=Url(f"{AT}/{name}", mime))


def call(*parts: Part, origin: Origin = CHAT) -> ChatCall:
    asked = Turn(role="user", parts=parts, path="contents[0]" if origin == GOOGLE else "messages[0]")
    return ChatCall(origin=origin, model="m", turns=(asked,))


def resolved(
    asked: ChatCall, to: Origin = GOOGLE, flags: Capabilities | None = None, web: Web | None = None
) -> ChatCall:
    return asyncio.run(media.resolve(asked, flags or Capabilities(), to, web or Web()))


def sources(asked: ChatCall) -> list[object]:
    return [part.source for part in asked.turns[0].parts if isinstance(part, Media)]


def refused(asked: ChatCall, web: Web | None = None) -> tuple[str | None, str]:
    with pytest.raises(RequestRefused) as failed:
        resolved(asked, web=web)
    assert failed.value.problem.code == "media_not_fetched"
    return failed.value.problem.param, failed.value.problem.message


def data(mime: str, content: bytes) -> Data:
    return Data(mime, base64.b64encode(content).decode())


@pytest.mark.parametrize("to", [CHAT, RESPONSES, CLAUDE, GOOGLE])
def test_a_call_without_addresses_is_the_same_object_and_asks_nothing(to: Origin) -> None:
    held = Media(kind="image", source=data("image/png", PNG))
    asked = call(Text(text="hi"), held, Media(kind="file", source=FileRef("f", GOOGLE)))
    web = Web()
    assert resolved(asked, to, Capabilities(image_url=False), web) is asked
    assert web.asked == []


def test_google_gets_the_bytes_of_images_files_sound_and_films() -> None:
    parts = (image("a.png"), file("a.pdf"), Media(kind="audio", source=Url(f"{AT}/a.mp3")))
    film = Media(kind="video", source=Url(f"{AT}/a.mp4"), detail="low", name="f")
    found = resolved(call(*parts, Text(text="x"), film))
    assert sources(found) == [
        data("image/png", PNG),
        data("application/pdf", PDF),
        data("audio/mp3", b"ID3\x04"),
        data("video/mp4", b"\0\0\0\x18ftypisom"),
    ]
    last = found.turns[0].parts[-1]
    assert isinstance(last, Media)
    assert (last.detail, last.name) == ("low", "f")


def test_google_fetches_its_own_itself() -> None:
    own = (Url("https://www.youtube.com/watch?v=1"), Url("https://youtu.be/1"), Url("gs://bucket/a.mp4"))
    asked = call(*(Media(kind="video", source=source) for source in own))
    assert resolved(asked, web=(web := Web())) is asked
    assert web.asked == []


def test_an_address_that_only_begins_like_googles_own_is_fetched() -> None:
    with pytest.raises(RequestRefused):
        resolved(call(Media(kind="video", source=Url("https://youtu.be.x.example/1"))))


@pytest.mark.parametrize(
    ("part", "to", "flags", "fetched"),
    [
        (image("a.png"), CHAT, Capabilities(), False),
        (image("a.png"), CHAT, Capabilities(image_url=False), True),
        (image("a.png"), CLAUDE, Capabilities(), False),
        (image("a.png"), CLAUDE, Capabilities(image_url=False), True),
        (image("a.png"), RESPONSES, Capabilities(), False),
        (file("a.pdf"), CHAT, Capabilities(), True),
        (file("a.pdf"), CLAUDE, Capabilities(), False),
        (file("a.pdf"), RESPONSES, Capabilities(), False),
        (Media(kind="audio", source=Url(f"{AT}/a.mp3")), CHAT, Capabilities(), True),
        (Media(kind="audio", source=Url(f"{AT}/a.mp3")), RESPONSES, Capabilities(), True),
    ],
)
def test_only_what_the_target_cannot_fetch_is_fetched(
    part: Media, to: Origin, flags: Capabilities, fetched: bool
) -> None:
    asked = call(part)
    web = Web()
    found = resolved(asked, to, flags, web)
    assert bool(web.asked) == fetched
    assert isinstance(sources(found)[0], Data if fetched else Url)
    assert (found is asked) != fetched


def test_the_media_of_a_tools_result_is_fetched_too() -> None:
    result = ToolResult(call_id="a", content=(Text(text="see"), image("a.png")), name="f", is_error=True)
    found = resolved(call(result, Text(text="x"))).turns[0].parts
    fetched = Media(kind="image", source=data("image/png", PNG))
    expected = ToolResult(call_id="a", content=(Text(text="see"), fetched), name="f", is_error=True)
    assert found == (expected, Text(text="x"))


@pytest.mark.parametrize(
    ("part", "mime"),
    [
        (image("odd"), "image/png"),
        (image("svg"), "image/svg+xml"),
        (file("a.txt"), "text/plain"),
        (file("a.bin", "text/csv; x=1"), "text/csv"),
    ],
)
def test_the_type_is_what_the_bytes_show_or_the_server_says_or_the_caller(part: Media, mime: str) -> None:
    (found,) = sources(resolved(call(part)))
    assert isinstance(found, Data)
    assert found.mime == mime


def test_SEC24_what_is_of_another_type_goes_to_no_provider() -> None:
    assert refused(call(Text(text="x"), image("liar.png")))[0] == "messages[0].content[1].image_url.url"
    assert "text/html" in refused(call(image("liar.png")))[1]
    assert refused(call(Media(kind="audio", source=Url(f"{AT}/a.png"))))[0] == "messages[0].content[0].input_audio.data"
    assert refused(call(file("a.bin")))[0] == "messages[0].content[0].file.file_data"


def test_a_failure_names_the_part_as_the_caller_wrote_it() -> None:
    param, message = refused(call(Text(text="x"), image("gone.png")))
    assert param == "messages[0].content[1].image_url.url"
    assert message.endswith("the address could not be fetched")
    result = ToolResult(call_id="a", content=(Text(text="x"), image("gone.png")))
    assert refused(call(result))[0] == "messages[0].content[1].image_url.url"
    assert refused(call(Text(text="x"), file("gone"), origin=GOOGLE))[0] == "contents[0].parts[1].fileData"


def test_one_address_is_fetched_once() -> None:
    web = Web()
    found = resolved(call(image("a.png"), image("a.png"), file("a.png")), web=web)
    assert web.asked == [f"{AT}/a.png"]
    assert sources(found) == [data("image/png", PNG)] * 3


def test_few_are_fetched_at_once_and_the_order_stays() -> None:
    files = {f"{AT}/{at}": (PNG + bytes([at]), "image/png") for at in range(40)}
    web = Web(files)
    found = resolved(call(*(image(str(at)) for at in range(40))), web=web)
    assert sources(found) == [data("image/png", PNG + bytes([at])) for at in range(40)]
    assert 1 < web.most <= 4


def test_SEC24_all_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_TOTAL", 2 * len(PNG))
    files = {f"{AT}/{at}": (PNG, "image/png") for at in range(3)}
    assert len(sources(resolved(call(image("0"), image("1")), web=Web(files)))) == 2
    assert "together exceed" in refused(call(image("0"), image("1"), image("2")), Web(files))[1]


def test_a_failure_ends_the_other_fetches() -> None:
    ended: list[str] = []

    class Slow(Web):
        async def fetch(self, url: str) -> tuple[bytes, str]:
            if url.endswith("gone"):
                return await super().fetch(url)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(url)
            raise AssertionError

    assert refused(call(image("slow"), image("gone")), Slow())[0] == "messages[0].content[1].image_url.url"
    assert ended == [f"{AT}/slow"]
