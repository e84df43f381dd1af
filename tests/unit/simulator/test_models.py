"""Model names carry options, each model takes its own, and only loopback is served unasked."""

import re

import pytest

from nexusflow.simulator.models import MODELS, find
from nexusflow.simulator.options import Options
from nexusflow.simulator.server import is_loopback, serve


def test_model_names_carry_options() -> None:
    name, model, options = find("chat@delay=5,ttfb=50,events=64")
    assert (name, model) == ("chat", MODELS["chat"])
    assert (options.delay, options.ttfb, options.events, options.size) == (5, 50, 64, None)


def test_each_model_has_its_own_defaults() -> None:
    assert find("fault-slow")[2].seconds == 120
    assert find("fault-stall@seconds=0.5")[2] == Options(seconds=0.5, after=3)
    assert find("fault-429")[2].retry == "7"


@pytest.mark.parametrize(
    "name",
    ["chat@nonsense=1", "chat@events=many", "chat@events=0", "chat@delay=-1", "chat@after=1", "fault-401@size=1"],
)
def test_options_that_are_wrong_or_would_do_nothing_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"events|delay|no option"):
        find(name)


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        find("gpt-4")


def test_U_rows_of_answered_chats_have_a_model_each() -> None:
    """U-05 to U-35, but for those that no provider of this kind can produce.

    U-19 needs a body over 64 MiB or a compressed one, U-28 an answer ahead of the request's end.
    """
    served = {row for model in MODELS.values() for row in model.rows.split()}
    assert served == {f"U-{number:02}" for number in range(5, 36)} - {"U-19", "U-28"}
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in MODELS)


def test_only_loopback_counts_as_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example.com")
    with pytest.raises(ValueError, match="--allow-public"):
        serve("0.0.0.0", 0)
