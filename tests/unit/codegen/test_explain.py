"""The page of a rule, by code or slug."""

import pytest

from codegen.explain import UnknownRuleError, codes, page
from codegen.rules import RULES


def test_a_page_is_found_by_code_and_by_slug_in_any_case() -> None:
    assert page("nf103") == page("Unknown-Value") == page("NF103")
    assert page("NF103").startswith("# NF103 unknown-value (error)\n")


def test_every_code_has_a_page_with_all_its_parts() -> None:
    for code in codes():
        rule = RULES[code]
        shown = page(code)
        for part in (rule.code, rule.slug, rule.summary, rule.why, rule.bad, rule.good):
            assert part.strip()
            assert part in shown
        assert rule.summary.endswith(".")


def test_an_unknown_code_comes_with_close_ones() -> None:
    with pytest.raises(UnknownRuleError) as caught:
        page("NF1033")
    assert "NF103" in caught.value.suggestions
    with pytest.raises(KeyError) as by_slug:
        page("unknown-valu")
    assert isinstance(by_slug.value, UnknownRuleError)
    assert by_slug.value.suggestions[0] == "NF103"
