"""Words: how values and definitions of the schema are called in a sentence."""

import re

from codegen.source import Path

_LONGEST = 60


def noun(definition: str) -> str:
    """The words in the name of a `$def`: `parameter rule` for ParameterRule."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", definition).lower()


def a(words: str) -> str:
    """The words with their article."""
    return f"{'an' if words[:1] in 'aeiou' else 'a'} {words}"


def plural(words: str) -> str:
    """The words for more than one."""
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def field_of(path: Path) -> str:
    """Name of the field a value stands in; for an item of a list, the field of the list."""
    return next((step for step in reversed(path) if isinstance(step, str)), "the file")


def show(value: object, quote: str = "`") -> str:
    """A value in a sentence: a scalar between quotes and cut when long, anything else by its kind."""
    if isinstance(value, dict | list):
        return "a group of fields" if isinstance(value, dict) else "a list"
    if value is None:
        return "nothing"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{quote}{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}{quote}"
