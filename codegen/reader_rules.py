"""Pages of the rules that hold before the schema is looked at: NF001 to NF006."""

from codegen.diagnostics import Severity
from codegen.rules import declare

YAML_SYNTAX = declare(
    "NF001",
    "yaml-syntax",
    Severity.ERROR,
    """
    The file is not YAML.

    ## Why
    Where the structure of the text is broken, everything after it would be a guess, so reading stops there. The usual
    causes are a tab in the indentation, a quote or bracket that is not closed, and a value that holds `: ` unquoted.

    ## Bad
        gateway:
          name: shop: production

    ## Good
        gateway:
          name: "shop: production"
    """,
)
DUPLICATE_KEY = declare(
    "NF002",
    "duplicate-key",
    Severity.ERROR,
    """
    A field is written twice in the same place.

    ## Why
    Most readers silently keep the last one. Then a price or a lane disappears, and later messages point at the wrong
    copy. So nothing else is checked until one of them is gone.

    ## Bad
        models:
          gpt-5: {owner: openai}
          gpt-5: {owner: azure}

    ## Good
        models:
          gpt-5: {owner: openai}
          gpt-5-azure: {owner: azure}
    """,
)
UNSUPPORTED_YAML = declare(
    "NF003",
    "unsupported-yaml",
    Severity.ERROR,
    """
    The file uses a part of YAML that gateway.yaml leaves out.

    ## Why
    Tags, merge keys (`<<`), names that are not text, a second document and anchors that are defined twice mean
    different things to different readers, or hide where a value comes from. Anchors and aliases without them are fine.

    ## Bad
        base: &base {owner: openai}
        model:
          <<: *base
          category: language

    ## Good
        model:
          owner: openai
          category: language
    """,
)
TOO_LARGE = declare(
    "NF004",
    "too-large",
    Severity.ERROR,
    """
    The file is too large, too deep, or grows too much when its aliases are filled in.

    ## Why
    A few hundred bytes of nested aliases stand for billions of values. The bounds are far above any real catalogue:
    8 MiB, 1,000,000 values, 50,000 of them made by aliases, 40 levels, 400 digits in one number.

    ## Bad
        a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]

    ## Good
        a: [[1]]
    """,
)
NOT_UTF8 = declare(
    "NF005",
    "not-utf8",
    Severity.ERROR,
    r"""
    The file is not UTF-8 text.

    ## Why
    In another encoding the same bytes are other letters, and nobody can tell which were meant. Save the file as
    UTF-8; a byte order mark at its start does no harm. (`\xe9` below stands for a single byte.)

    ## Bad
        title: Caf\xe9

    ## Good
        title: Café
    """,
)
UNREADABLE_FILE = declare(
    "NF006",
    "unreadable-file",
    Severity.ERROR,
    """
    The file cannot be opened.

    ## Why
    Without it there is nothing to compile. Either it does not exist under this name, or it may not be read by the
    user who runs the command. Any readable file will do, such as the one `nexusflow init` writes.

    ## Bad
        # gateway.yaml is missing

    ## Good
        # gateway.yaml is there
    """,
)
