"""Words of a provider that may reach a client (protocols 2.11, G56)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.protocols.common import provider_text

SECRETS = (
    "sk-proj-abcdef123456",
    "sk-ant-api03-abcdefghij",
    "key_abcdefgh",
    "AIzaSyA1234567890abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "https://internal.example:8443/v1?key=1",
    "http://10.0.0.1",
    "10.1.2.3:8080",
    "org-AbCdEf123456",
    "project_number:123456789",
)


@given(st.text(), st.sampled_from(SECRETS), st.text())
def test_G56_secrets_and_addresses_are_left_out(before: str, secret: str, after: str) -> None:
    shown = provider_text.redact(f"{before} {secret} {after}")
    assert secret not in shown
    assert len(shown) <= provider_text.MAX_PROVIDER_TEXT
    assert provider_text.redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "messages[2].content: expected a string, found 3.5",
        "temperature must be between 0 and 2.0",
        "Unknown parameter: 'sky_colour'.",
        "tools.0.custom.input_schema: JSON schema is invalid (draft 2020-12)",
    ],
)
def test_the_callers_own_words_are_shown(text: str) -> None:
    assert provider_text.redact(text) == text


def test_a_text_is_one_line() -> None:
    assert provider_text.redact(" a\r\n\tb\x0b c ") == "a b c"


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 128000 tokens. However, you requested 130000.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Your input exceeds the context window of this model.",
        "Input is too long for requested model.",
        "the request exceeds the available context size",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        "Please reduce the length of the messages or completion.",
        "context_length_exceeded",
    ],
)
def test_a_prompt_too_long_is_known_in_any_vendors_words(text: str) -> None:
    assert provider_text.is_context_overflow(text)


@pytest.mark.parametrize("text", ["max_tokens is too large", "stop: too many items", "invalid `context`", ""])
def test_other_refusals_are_not_taken_for_it(text: str) -> None:
    assert not provider_text.is_context_overflow(text)
