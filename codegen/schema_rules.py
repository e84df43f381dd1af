"""Pages of the rules that the schema of gateway.yaml sets: NF101 to NF109, and NF190."""

from codegen.diagnostics import Severity
from codegen.rules import declare

_HEAD = """
        version: 1
        providers:
          openai:
            protocol: openai/chat-completions
            base_url: https://api.openai.com/v1
"""
_BODY = """
        models:
          gpt-5:
            owner: openai
            category: language
            supported_protocols: [openai/chat-completions]
            free: true
            lanes: [{provider: openai}]
"""
_WHOLE = _HEAD.rstrip() + _BODY.rstrip()


def _page(text: str, bad: str, good: str = _WHOLE) -> str:
    return f"{text.rstrip()}\n\n    ## Bad{bad.rstrip()}\n\n    ## Good{good.rstrip()}\n"


UNKNOWN_FIELD = declare(
    "NF101",
    "unknown-field",
    Severity.ERROR,
    _page(
        """
    A field has a name that means nothing here.

    ## Why
    A misspelled field would be ignored, and the setting it was meant to make would silently keep its default. A field
    of another group is unknown too: check that it is indented under the right one.
""",
        _WHOLE + "\n            contxt_tokens: 400000",
        _WHOLE + "\n            context_tokens: 400000",
    ),
)
MISSING_FIELD = declare(
    "NF102",
    "missing-field",
    Severity.ERROR,
    _page(
        """
    A field that cannot be left out is not there.

    ## Why
    Required fields are those for which every default would be a guess: who serves a model, who made it, which
    protocols reach it.
""",
        _WHOLE.replace("            category: language\n", ""),
    ),
)
UNKNOWN_VALUE = declare(
    "NF103",
    "unknown-value",
    Severity.ERROR,
    _page(
        """
    A field that takes one of a few words has another one.

    ## Why
    Each of the words selects a behaviour, and there is none behind this one. The message lists those there are.
""",
        _WHOLE.replace("category: language", "category: langauge"),
    ),
)
WRONG_TYPE = declare(
    "NF104",
    "wrong-type",
    Severity.ERROR,
    _page(
        """
    A value is of another kind than the field takes: text for a number, one value for a list, and the like.

    ## Why
    Guessing what was meant goes wrong where it costs money: `128k`, `1_000` and `012` are text, since readers of YAML
    disagree on them, and a price must be quoted so that its digits stay exactly as written.
""",
        _WHOLE + "\n            context_tokens: 400k",
        _WHOLE + "\n            context_tokens: 400000",
    ),
)
BAD_FORMAT = declare(
    "NF105",
    "bad-format",
    Severity.ERROR,
    _page(
        """
    A text does not have the form that the field takes.

    ## Why
    Names, dates, amounts and addresses are checked here because they later stand in URLs, headers, file names and
    bills, where a stray character does harm far from its origin.
""",
        _WHOLE.replace("https://api.openai.com/v1", "api.openai.com/v1"),
    ),
)
OUT_OF_RANGE = declare(
    "NF106",
    "out-of-range",
    Severity.ERROR,
    _page(
        """
    A number is too small or too large, a text too long, or a list or group has too few or too many entries.

    ## Why
    The bounds keep values where they work: a port below 65536, a timeout above zero, at least one lane for a model.
""",
        _WHOLE + "\n        gateway: {port: 99999}",
        _WHOLE + "\n        gateway: {port: 9999}",
    ),
)
UNKNOWN_KIND = declare(
    "NF107",
    "unknown-kind",
    Severity.ERROR,
    _page(
        """
    The `kind` of something is none of the kinds there are.

    ## Why
    The kind decides which other fields there may be, so nothing else inside is checked until it is known.
""",
        _WHOLE + "\n        stores: {database: {kind: mysql}}",
        _WHOLE + "\n        stores: {database: {kind: sqlite}}",
    ),
)
BAD_NAME = declare(
    "NF108",
    "bad-name",
    Severity.ERROR,
    _page(
        """
    A name of your own choice has characters it may not have.

    ## Why
    Names of providers and models appear in requests, logs, metrics and commands, where blanks, capitals or accents
    would have to be escaped each time.
""",
        _WHOLE.replace("  openai:\n", "  OpenAI:\n"),
    ),
)
EXACTLY_ONE = declare(
    "NF109",
    "exactly-one",
    Severity.ERROR,
    _page(
        """
    A group takes exactly one of its fields, and has none or several.

    ## Why
    The fields are alternatives. With two of them, which one holds would depend on the order in which they are tried.
""",
        _HEAD.rstrip() + "\n            credential: {env: OPENAI_API_KEY, file: /run/secrets/openai}" + _BODY,
        _HEAD.rstrip() + "\n            credential: {env: OPENAI_API_KEY}" + _BODY,
    ),
)
NOT_YET_READ = declare(
    "NF190",
    "not-yet-read",
    Severity.WARNING,
    _page(
        """
    A field is part of the format, but nothing in this version acts on it.

    ## Why
    The field is accepted and its form is checked, so a file written for a later version can be used today. But an
    alert that nobody raises must not look as if somebody watched. The warning stands at its first place.
""",
        _WHOLE + "\n        telemetry: {log_content: true}",
    ),
)
