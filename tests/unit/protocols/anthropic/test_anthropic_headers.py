"""Versions and betas of Anthropic Messages (protocols 0.1, 1.1, 2.2)."""

import pytest

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.chat import Sampling
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.anthropic import headers, write_request
from nexusflow.protocols.anthropic.headers import betas, version
from tests.support.messages import chat, destination


def test_both_live_versions_are_taken_and_none_means_the_older() -> None:
    assert version(None) == version(b" ") == "2023-06-01"
    assert version(b"2026-10-21") == "2026-10-21"


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(RequestRefused) as caught:
        version(b"2024-01-01")
    assert caught.value.problem.param == "anthropic-version"


def test_betas_come_as_a_list_or_as_several_headers() -> None:
    assert betas([b"a-1, b-2", b"a-1", b" ,c-3"]) == ("a-1", "b-2", "c-3")


@pytest.mark.parametrize("value", [b"a b", b"x\xff", b"a;b", b"y" * 101, ",".join(map(str, range(65))).encode()])
def test_what_is_no_list_of_names_is_refused(value: bytes) -> None:
    with pytest.raises(RequestRefused):
        betas([value])


def test_T114_a_lane_lets_only_its_betas_through() -> None:
    found = headers.identity("2026-10-21", ("a", "b"), Capabilities(beta_allow=("b",)))
    assert found == [("anthropic-version", "2026-10-21"), ("anthropic-beta", "b")]
    assert headers.identity("2023-06-01", ("a",), Capabilities(beta_allow=())) == [("anthropic-version", "2023-06-01")]
    assert headers.identity("2023-06-01", ("a",), Capabilities())[1] == ("anthropic-beta", "a")


def test_a_bridged_call_names_the_newest_version_that_takes_its_parameters() -> None:
    def version_for(temperature: float | None, **flags: bool) -> str:
        call = chat(sampling=Sampling(temperature=temperature))
        return headers.bridged(write_request.write(call, destination(**flags), Losses()))[0][1]

    assert version_for(0.5) == "2023-06-01"
    assert version_for(None) == "2026-10-21"
    assert version_for(0.5, sampling=False) == "2026-10-21"
