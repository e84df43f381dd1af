"""What is held for a task covers what it is charged, and nobody pays for more than was asked (B-01, U-40)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.plan import ImageRate, Price, Rates, VideoRate
from nexusflow.ir.task import Brief, Made, Output
from nexusflow.pricing import cost_of
from nexusflow.tasks.costs import most, resolution_of, used
from tests.support.tasks import NOW

rates = st.integers(0, 10**13)
pieces = st.integers(0, 10**11)
counts = st.none() | st.integers(0, 10**7)
sizes = st.sampled_from((None, "1024x1024", "1280x720", "1024x1792", "3840x2160"))
qualities = st.sampled_from((None, "low", "high"))
resolutions = ("480P", "720P", "1080P", "1440P", "2160P")

prices = st.builds(
    Price,
    tokens=st.builds(Rates, input=rates, input_image=rates, output_image=rates, per_image=pieces, per_request=pieces),
    images=st.tuples() | st.tuples(st.builds(ImageRate, size=sizes, quality=qualities, per_image=pieces)),
    video=st.tuples(
        *(st.builds(VideoRate, resolution=st.just(one), audio=st.none(), per_second=pieces) for one in resolutions)
    ),
    markup=st.integers(0, 10_000),
)
briefs = st.one_of(
    st.builds(
        Brief,
        type=st.just("image"),
        prompt=st.text(),
        negative_prompt=st.none() | st.text(),
        n=st.integers(1, 10),
        size=sizes,
        quality=qualities,
        images=st.lists(st.just("https://example.com/a.png"), max_size=4).map(tuple),
    ),
    st.builds(
        Brief,
        type=st.just("video"),
        prompt=st.text(),
        duration=st.none() | st.integers(1, 60),
        resolution=st.sampled_from(resolutions),
        audio=st.none() | st.booleans(),
    ),
)
seconds = st.none() | st.floats(0, 10**6, allow_nan=False)
mades = st.builds(
    Made,
    outputs=st.lists(st.builds(Output, url=st.just("u"), seconds=seconds), min_size=1, max_size=20).map(tuple),
    units=st.none() | st.floats(-10, 10**6, allow_nan=False),
    input_text_tokens=counts,
    input_image_tokens=counts,
    output_tokens=counts,
)


@given(briefs, prices, mades)
def test_what_is_held_covers_whatever_the_provider_says_it_made(brief: Brief, price: Price, made: Made) -> None:
    """B-01, U-40: more pieces, longer videos, more tokens than anybody asked for cost nobody anything."""
    assert cost_of(price, used(brief, made), NOW).amount <= most(brief, price, NOW)


@given(briefs, mades)
def test_no_more_units_than_were_asked_for(brief: Brief, made: Made) -> None:
    usage = used(brief, made)
    assert (usage.n_images or 0) <= brief.n
    if brief.duration is not None:
        assert 0 <= (usage.n_video_seconds or 0) <= brief.duration


def made_of(count: int, **more: float) -> Made:
    return Made(outputs=tuple(Output(url="u") for _ in range(count)), **more)


@pytest.mark.parametrize(("count", "charged"), [(1, 1), (3, 3), (4, 4), (7, 4)])
def test_U40_images_are_charged_as_they_came(count: int, charged: int) -> None:
    price = Price(tokens=Rates(per_image=30_000_000))
    brief = Brief(type="image", prompt="A cat", n=4)
    assert most(brief, price, NOW) == 120_000_000
    assert cost_of(price, used(brief, made_of(count)), NOW).amount == charged * 30_000_000


@pytest.mark.parametrize(
    ("asked", "said", "charged"),
    [(8, 8.0, 8), (8, 5.2, 5), (8, 12.0, 8), (8, None, 8), (8, 0.2, 1), (8, -3.0, 8), (None, 5.0, 5), (None, 99.0, 15)],
)
def test_seconds_are_charged_as_the_provider_says_up_to_what_was_agreed(
    asked: int | None, said: float | None, charged: int
) -> None:
    brief = Brief(type="video", prompt="A cat", duration=asked, resolution="720P")
    made = made_of(1) if said is None else made_of(1, units=said)
    usage = used(brief, made)
    assert (usage.n_video_seconds, usage.media) == (charged, "720P")
    price = Price(video=(VideoRate("720P", None, 7),))
    assert most(brief, price, NOW) == 7 * (asked or 15)


@pytest.mark.parametrize(
    ("size", "resolution", "found"),
    [
        ("1280x720", None, "720P"),
        ("720x1280", None, "720P"),
        ("1792x1024", None, "1080P"),
        ("832x480", None, "480P"),
        ("4096x2304", None, "2304P"),
        ("1280x720", "1080p", "1080P"),
        (None, None, ""),
    ],
)
def test_the_resolution_is_that_of_price_lists(size: str | None, resolution: str | None, found: str) -> None:
    assert resolution_of(Brief(type="video", prompt="", size=size, resolution=resolution)) == found


def test_what_has_no_price_is_refused_before_it_is_made() -> None:
    brief = Brief(type="video", prompt="A cat", duration=4, resolution="1080P")
    with pytest.raises(RequestRefused) as refused:
        most(brief, Price(video=(VideoRate("720P", None, 7),)), NOW)
    assert (refused.value.problem.status, refused.value.problem.param) == (422, "resolution")
