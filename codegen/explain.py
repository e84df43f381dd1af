"""Explain: the page of a rule, by code or by slug."""

from codegen import lint, reader_rules, schema_rules  # noqa: F401 - imported for the rules they register
from codegen.rules import RULES
from codegen.suggest import nearest


class UnknownRuleError(KeyError):
    """No rule has this code or slug; `suggestions` are close ones, as codes."""

    def __init__(self, code: str, suggestions: tuple[str, ...]) -> None:
        super().__init__(code)
        self.code = code
        self.suggestions = suggestions


def codes() -> tuple[str, ...]:
    """All known codes in order."""
    return tuple(sorted(RULES))


def page(code: str) -> str:
    """The page of a rule in Markdown; capitals make no difference. Raises UnknownRuleError."""
    by_name = {rule.slug: rule for rule in RULES.values()} | {rule.code.lower(): rule for rule in RULES.values()}
    found = by_name.get(code.lower())
    if found is None:
        raise UnknownRuleError(code, tuple(dict.fromkeys(by_name[name].code for name in nearest(code, by_name))))
    return found.page()
