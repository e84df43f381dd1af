"""`nexusflow prices import`: edits that change prices and nothing else, shown before they are made."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from codegen import compile_source
from codegen.catalogue import Listing, find, propose
from codegen.source import Source
from nexusflow.cli.prices import prices

MOMENT = datetime(2026, 11, 23, tzinfo=UTC)
TEXT = """\
version: 1
providers:
  openai: {protocol: openai/chat-completions, base_url: "https://api.openai.com/v1"}
models:
  block:
    owner: openai
    category: language
    supported_protocols: [openai/chat-completions]
    price:  # from the contract
      input: "1"  # per million
      output: "4"
      above:
        - input_tokens: 1000
          price: {input: "2", output: "8"}
    lanes:
      - provider: openai
  flow: {owner: openai, category: language, supported_protocols: [openai/chat-completions],
    price: {input: "1", output: "4"}, lanes: [{provider: openai}]}
  none:
    owner: openai
    category: language
    supported_protocols: [openai/chat-completions]
    lanes:
      - provider: openai
  gift:
    owner: openai
    category: language
    supported_protocols: [openai/chat-completions]
    free: true
    lanes:
      - provider: openai
"""
LISTED = {"input": Decimal("1.5"), "output": Decimal("4.0"), "cache_read": Decimal("0.1"), "reasoning": Decimal(4)}


def listed(base_url: str, model: str, moment: datetime) -> Listing:
    assert (base_url, moment) == ("https://api.openai.com/v1", MOMENT)
    assert model != "gift"
    return Listing(LISTED, {1000: {"input": Decimal(3)}, 9000: {"input": Decimal(5)}}, {"flex": {}})


def test_values_change_in_place_missing_classes_are_added_and_everything_else_stays() -> None:
    proposal = propose(Source("gateway.yaml", TEXT), listed, MOMENT)
    assert proposal.text == (
        TEXT.replace(
            '      input: "1"  # per million\n',
            '      input: "1.5"  # per million\n      cache_read: "0.1"\n',
        )
        .replace('price: {input: "2", output: "8"}', 'price: {input: "3", output: "8"}')
        .replace('price: {input: "1", output: "4"}', 'price: {cache_read: "0.1", input: "1.5", output: "4"}')
        .replace(
            "    lanes:\n      - provider: openai\n  gift",
            '    price: {input: "1.5", output: "4", cache_read: "0.1", reasoning: "4"}\n'
            "    lanes:\n      - provider: openai\n  gift",
        )
    )
    assert compile_source(Source("gateway.yaml", proposal.text)).plan is not None
    assert "block: prices above 9000 input tokens are only in the catalogue" in proposal.notes
    assert "flow: prices of tier flex are only in the catalogue" in proposal.notes


def test_a_second_import_finds_nothing_to_do() -> None:
    once = propose(Source("gateway.yaml", TEXT), listed, MOMENT).text
    assert propose(Source("gateway.yaml", once), listed, MOMENT).text == once


def test_only_the_provider_that_was_named() -> None:
    source = Source("gateway.yaml", TEXT)
    assert propose(source, listed, MOMENT, "nobody").text == TEXT
    assert propose(source, listed, MOMENT, "openai").text != TEXT


def test_another_currency_is_not_compared() -> None:
    other = TEXT.replace("version: 1\n", "version: 1\ngateway: {currency: CNY}\n")
    with pytest.raises(ValueError, match="CNY"):
        propose(Source("gateway.yaml", other), listed, MOMENT)


def test_what_is_not_listed_is_said_and_left_alone() -> None:
    proposal = propose(Source("gateway.yaml", TEXT), lambda *_: None, MOMENT)
    assert proposal.text == TEXT
    assert [note.partition(":")[0] for note in proposal.notes] == ["block", "flow", "none"]


def test_the_package_is_read_in_our_words() -> None:
    """Claude 3 Haiku changes no more: input 0.25, output 1.25, cache 0.03 read and 0.3 written (its price page)."""
    listing = find("https://api.anthropic.com", "claude-3-haiku-20240307", MOMENT)
    assert listing is not None
    wanted = {"input": "0.25", "output": "1.25", "cache_read": "0.03", "cache_write_5m": "0.3"}
    assert {name: listing.amounts[name] for name in wanted} == {name: Decimal(text) for name, text in wanted.items()}
    assert find("https://api.anthropic.com", "no-such-model", MOMENT) is None
    assert find("https://example.invalid/v1", "claude-3-haiku-20240307", MOMENT) is None


def test_nothing_is_written_unless_asked(tmp_path: Path) -> None:
    text = TEXT.replace("https://api.openai.com/v1", "https://api.anthropic.com").replace(
        "  block:", "  claude-3-haiku-20240307:"
    )
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    shown = CliRunner().invoke(prices, ["import", str(file)])
    assert shown.exit_code == 0, shown.output
    assert '-      input: "1"  # per million\n' in shown.output
    assert '+      input: "0.25"  # per million\n' in shown.output
    assert file.read_text() == text
    with_none = CliRunner().invoke(prices, ["import", str(file), "--write"])
    assert with_none.exit_code == 1
    assert "would not compile" in with_none.output
    assert file.read_text() == text
    file.write_text(text.replace("  none:\n", "  none:\n    free: true\n"))
    written = CliRunner().invoke(prices, ["import", str(file), "--write"])
    assert written.exit_code == 0, written.output
    assert 'input: "0.25"  # per million' in file.read_text()
