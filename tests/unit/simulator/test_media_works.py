"""Jobs over time, the files that come of them, and the options that make them go wrong (U-36 to U-40)."""

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.simulator.media.films import film
from nexusflow.simulator.media.orders import MEDIA, Kind, find
from nexusflow.simulator.media.pictures import DRAW, draw_png
from nexusflow.simulator.media.works import REMEMBERED, Job, Subject, Works


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def started(name: str, clock: Clock, **more: Any) -> Job:
    kind: Kind = "image" if name.startswith("image") else "video"
    return Works(clock).start("dashscope", find("dashscope", kind, name), Subject(prompt="a cat", **more))


def chunks(png: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG, whose sums have to be right."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    found, stream = {}, io.BytesIO(png[8:])
    while head := stream.read(8):
        size, kind = struct.unpack(">I4s", head)
        found[kind] = stream.read(size)
        assert struct.unpack(">I", stream.read(4))[0] == zlib.crc32(kind + found[kind])
    return found


def boxes(data: bytes) -> dict[bytes, bytes]:
    """The boxes of an MP4, which have to fill it."""
    found, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        found[kind] = data[at + 8 : at + size]
        at += size
    assert at == len(data)
    return found


def test_a_job_waits_works_and_ends() -> None:
    clock = Clock()
    job = started("video@queue=3,seconds=10", clock)
    seen = []
    for now in (1000, 1002.9, 1003, 1008, 1012.95, 1013, 2000):
        clock.now = now
        seen.append((job.poll(), job.progress))
    assert seen == [
        ("queued", 0), ("queued", 0), ("running", 0), ("running", 50), ("running", 99), ("succeeded", 100),
        ("succeeded", 100),
    ]  # fmt: skip
    assert (job.born, job.begun, job.ended, job.polls) == (1000, 1003, 1013, 7)


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ("seconds=1", ["succeeded"] * 3),
        ("seconds=1,fail", ["failed"] * 3),
        ("seconds=1,flip", ["failed", "succeeded", "succeeded"]),
        ("seconds=1,never", ["running"] * 3),
    ],
)
def test_U36_ways_to_end(options: str, states: list[str]) -> None:
    clock = Clock()
    job = started(f"video@{options}", clock)
    clock.now += 5
    assert [job.poll() for _ in range(3)] == states


def test_a_cancelled_job_stays_so() -> None:
    clock = Clock()
    job = started("video@seconds=10", clock)
    clock.now += 5
    assert job.cancel()
    clock.now += 100
    assert (job.poll(), job.ended, job.cancel(), job.cancels) == ("cancelled", 1005, False, 2)
    assert not started("video@seconds=0", clock).cancel()


def test_every_so_manyth_poll_stumbles() -> None:
    job = started("video@flaky=3", Clock())
    assert [job.poll() and job.stumbles for _ in range(6)] == [False, False, True, False, False, True]


def test_U40_one_image_fewer() -> None:
    assert started("image@short", Clock(), count=4).count == 3


def test_links_expire() -> None:
    clock = Clock()
    assert started("image@seconds=1", clock).links_expire == 1001 + 24 * 3600
    assert started("image@expired-url", clock).links_expire < clock.now


def test_the_oldest_jobs_are_forgotten() -> None:
    works, order = Works(Clock()), find("openai", "image", "image")
    jobs = [works.start("openai", order, Subject(prompt=str(number))) for number in range(REMEMBERED + 2)]
    assert len(works.describe()) == REMEMBERED
    assert works.find(jobs[1].id) is None
    assert works.find(jobs[2].id) is jobs[2]


def test_a_job_belongs_to_its_vendor() -> None:
    works = Works(Clock())
    job = works.start("kling", find("kling", "video", "video"), Subject(prompt="x", reference="mine"))
    assert works.find(job.id, "kling") is works.referred("mine", "kling") is job
    assert works.find(job.id, "fal") is works.referred("mine", "zhipu") is None


@pytest.mark.parametrize(
    "name", ["video@short", "video@seconds=-1", "video@flaky=0", "video@nonsense", "video@lost=maybe", "video@refuse=x"]
)
def test_options_that_are_wrong_or_would_do_nothing_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no option|Expected|Invalid"):
        find("openai", "video", name)


@pytest.mark.parametrize(("vendor", "kind", "name"), [("openai", "image", "video"), ("fal", "video", "sora-2")])
def test_models_that_a_vendor_does_not_have(vendor: str, kind: Kind, name: str) -> None:
    with pytest.raises(KeyError):
        find(vendor, kind, name)


def test_options_without_an_at_sign() -> None:
    plain = find("fal", "image", "simulated/image--queue-3--seconds-0.5--expired-url--fail-policy--lost--refuse-rate")
    assert plain.options == find(
        "fal", "image", "simulated/image@queue=3,seconds=0.5,expired-url,fail=policy,lost,refuse=rate"
    ).options  # fmt: skip
    assert (plain.name, plain.options.expired, plain.options.lost) == ("simulated/image", True, "reset")


def test_every_vendor_has_models_of_both_generic_names() -> None:
    vendors = {vendor for model in MEDIA.values() for vendor, _ in model.offers}
    assert vendors == {vendor for name in ("image", "video") for vendor, _ in MEDIA[name].offers}


@given(st.integers(1, 300), st.integers(1, 300), st.binary(max_size=8))
def test_a_png_has_its_size_and_whole_rows(width: int, height: int, seed: bytes) -> None:
    found = chunks(draw_png(width, height, seed))
    assert struct.unpack(">II", found[b"IHDR"][:8]) == (width, height)
    assert len(zlib.decompress(found[b"IDAT"])) == height * (1 + -(-width // 8))
    assert found[b"IEND"] == b""


@pytest.mark.parametrize("form", DRAW)
def test_the_same_seed_gives_the_same_image_and_another_another(form: str) -> None:
    draw = DRAW[form]
    assert draw(64, 64, b"a") == draw(64, 64, b"a")
    assert len({draw(64, 64, bytes([seed])) for seed in range(5)}) > 1


def test_the_other_forms_say_their_size() -> None:
    jpeg = DRAW["jpeg"](100, 60, b"x")
    at = jpeg.index(b"\xff\xc0")
    assert struct.unpack(">HH", jpeg[at + 5 : at + 9]) == (60, 100)
    assert jpeg.endswith(b"\xff\xd9")
    webp = DRAW["webp"](1024, 600, b"x")
    assert webp[:4] + webp[8:16] == b"RIFFWEBPVP8L"
    assert struct.unpack("<I", webp[4:8])[0] == len(webp) - 8
    size = int.from_bytes(webp[21:25], "little")
    assert ((size & 0x3FFF) + 1, (size >> 14 & 0x3FFF) + 1) == (1024, 600)


def test_a_film_has_its_frames_where_it_says() -> None:
    data = film(320, 240, 3, b"x")
    found = boxes(data)
    assert list(found) == [b"ftyp", b"moov", b"mdat"]
    track = boxes(boxes(boxes(found[b"moov"])[b"trak"])[b"mdia"])
    samples = boxes(boxes(track[b"minf"])[b"stbl"])
    first = struct.unpack(">I", samples[b"stco"][8:])[0]
    sizes = struct.unpack(">3I", samples[b"stsz"][12:])
    assert sum(sizes) == len(found[b"mdat"])
    assert struct.unpack(">II", chunks(data[first : first + sizes[0]])[b"IHDR"][:8]) == (320, 240)
    scale, length = struct.unpack(">II", boxes(found[b"moov"])[b"mvhd"][12:20])
    assert length / scale == 3
    assert film(320, 240, 3, b"x") == data != film(320, 240, 3, b"y")
