"""Check: the stages that need no more than the text, from a file to the findings about it."""

from functools import cache
from pathlib import Path as FilePath

import msgspec

from codegen import reader
from codegen.diagnostics import Diagnostic, DiagnosticSet
from codegen.profile import Schema
from codegen.reader_rules import UNREADABLE_FILE
from codegen.rules import report
from codegen.schema import schema_text, validate
from codegen.source import Source, Span
from codegen.tree import Tree

_REASONS: dict[type[OSError], str] = {
    FileNotFoundError: "there is no such file",
    IsADirectoryError: "it is a folder",
    PermissionError: "permission denied",
}


def check_source(source: Source, schema: Schema | None = None) -> tuple[Tree | None, DiagnosticSet]:
    """Read a source and hold it to the schema, by default that of gateway.yaml.

    The tree is there when the text could be read, even if it breaks the schema.
    """
    tree, findings = reader.read(source)
    found = DiagnosticSet(findings)
    if tree is not None:
        found.extend(validate(tree, gateway_schema() if schema is None else schema))
    return tree, found


def load(path: FilePath, name: str | None = None) -> tuple[Source, Diagnostic | None]:
    """The source in a file, under the name that messages show.

    With a finding (the file cannot be opened, or is not UTF-8) the source is as much as can be shown of it.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(reader.MAX_BYTES + 1)
    except OSError as error:
        reason = _REASONS.get(type(error)) or error.strerror or "it cannot be opened"
        return Source(name, ""), report(UNREADABLE_FILE, f"cannot read {name}: {reason}", Span(0, 0))
    source = reader.decode(data, name)
    if isinstance(source, Source):
        return source, None
    return Source(name, data.decode("utf-8", "replace")), source


@cache
def gateway_schema() -> Schema:
    """The schema of gateway.yaml."""
    value: Schema = msgspec.json.decode(schema_text())
    return value
