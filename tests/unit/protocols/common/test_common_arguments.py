"""Tool arguments as exactly one JSON object (protocols 2.1.3)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.protocols.common import arguments

PATH = "messages[1].tool_calls[0].function.arguments"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values), st.booleans(), st.sampled_from(["", " ", "\n\t"]))
def test_an_object_stays_byte_for_byte(value: dict[str, object], ascii_only: bool, around: str) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert bytes(arguments.as_object(around + text + around, PATH)) == text.encode()
    assert arguments.is_complete(around + text + around)


@pytest.mark.parametrize("text", ["", "  ", "null", " null\n"])
def test_nothing_is_the_empty_object(text: str) -> None:
    assert bytes(arguments.as_object(text, PATH)) == b"{}"


REFUSED = [
    "[]",
    "1",
    '"x"',
    "true",
    "{",
    '{"a":',
    '{"a":1}}',
    "{'a':1}",
    '{"a":NaN}',
    '{"a":1,}',
    "x{}",
    "{}x",
    "{a:1}",
]


@pytest.mark.parametrize("text", [*REFUSED, '{"a":1}{"b":2}', '{"a":1} {"b":2}', '{"a":"\ud800"}'])
def test_T67_two_objects_or_none_are_refused_by_the_calls_name(text: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        arguments.as_object(text, PATH)
    assert refused.value.problem.kind is Kind.PARAM
    assert refused.value.problem.param == PATH
    assert PATH in refused.value.problem.message
    with pytest.raises(RequestRefused, match="tool call call_7"):
        arguments.as_object(text, PATH, "call_7")
    assert not arguments.is_complete(text)


def test_arguments_nested_without_end_are_no_object() -> None:
    assert not arguments.is_complete('{"a":' * 100_000 + "1" + "}" * 100_000)


@given(st.dictionaries(st.text(max_size=3), values, min_size=1))
def test_no_true_prefix_of_an_object_is_complete(value: dict[str, object]) -> None:
    text = json.dumps(value)
    assert not any(arguments.is_complete(text[:at]) for at in range(len(text)))


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_free_form_input_rides_in_an_object_and_comes_back(text: str) -> None:
    wrapped = arguments.wrap_custom(text)
    assert json.loads(wrapped) == {"input": text}
    assert arguments.unwrap_custom(wrapped) == text


@pytest.mark.parametrize("text", ["", "4 + 4", "[]", "{}", '{"input":1}', '{"input":"a","more":1}', '{"inp', "null"])
def test_other_arguments_are_the_input_themselves(text: str) -> None:
    assert arguments.unwrap_custom(text) == text


def test_the_stand_in_for_a_free_form_tool_wants_what_wrap_makes() -> None:
    schema = json.loads(bytes(arguments.custom_schema()))
    assert schema["required"] == list(json.loads(arguments.wrap_custom("x"))) == list(schema["properties"])
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
