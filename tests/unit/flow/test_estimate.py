"""The size of a request before anybody counts it (2.3, B-07, B-08)."""

from typing import Any

from nexusflow.flow.estimate import FRAME, TOKENS_PER_MEDIUM, Size, most, output_tokens, size_of
from nexusflow.ir.plan import Model
from nexusflow.ir.usage import Usage
from nexusflow.protocols.common.demand import Demand


def model(**changes: Any) -> Model:
    fields: dict[str, Any] = {
        "id": "m", "title": "m", "owner": "o", "category": "language", "lanes": (), "protocols": (),
        "max_output_tokens": 1_000, "context_tokens": 100_000,
    }  # fmt: skip
    return Model(**{**fields, **changes})


def test_text_counts_by_its_bytes() -> None:
    assert size_of(b"x" * 3_500, Demand(None), model(), 400) == Size(FRAME + 1_000, 400, 1, 0)


def test_caller_and_model_bound_the_output() -> None:
    assert size_of(b"", Demand(50), model(), 400).output == 50
    assert size_of(b"", Demand(5_000), model(), 400).output == 1_000
    assert size_of(b"", Demand(None), model(), 4_096).output == 1_000
    assert size_of(b"", Demand(0), model(), 400).output == 0
    assert size_of(b"", Demand(None, answers=3), model(), 400).answers == 3


def test_pictures_weigh_the_same_whatever_their_size() -> None:
    frame = b'{"url":"data:image/png;base64,%b"}'
    small = size_of(frame % (b"A" * 100_000), Demand(None, media=1), model(), 1)
    large = size_of(frame % (b"A" * 900_000), Demand(None, media=1), model(), 1)
    assert small == large
    assert small.input < FRAME + TOKENS_PER_MEDIUM + 50


def test_B08_report_is_believed_up_to_four_times_the_estimate() -> None:
    size = Size(input=1_000, output=1_000, answers=1, media=0)
    assert most(Usage(input_text=14_001), size, b"{}", model()) == (14_000, 14_000)


def test_B08_what_a_provider_reads_by_itself_widens_it_to_the_context() -> None:
    size = Size(input=1_000, output=1_000, answers=1, media=0)
    searching = b'{"tools":[{"type":"web_search"}]}'
    assert most(Usage(input_text=90_000), size, searching, model())[0] == 100_000
    assert most(Usage(input_text=90_000), size._replace(media=1), b"{}", model())[0] == 100_000


def test_answer_without_usage_is_estimated_by_its_bytes() -> None:
    assert output_tokens(3_500) == 1_000
