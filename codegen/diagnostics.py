"""Diagnostics: what the compiler has to say about a file, as values that printers only read."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from codegen.source import Path, Span


class Severity(StrEnum):
    """How bad a finding is: an error stops the compiler, a warning and a note do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Label(Struct, frozen=True):
    """A place in the source, with a few words that stand beside it."""

    span: Span
    text: str = ""


class Fix(Struct, frozen=True):
    """One edit that removes a finding: replace `span` by `replacement`. An empty span inserts."""

    span: Span
    replacement: str
    title: str


class Diagnostic(Struct, frozen=True, kw_only=True):
    """One finding. `message` is a sentence that stands alone; `path` says where in the document, lines apart."""

    code: str
    severity: Severity
    message: str
    primary: Label
    secondary: tuple[Label, ...] = ()
    help: tuple[str, ...] = ()
    fix: Fix | None = None
    path: Path = ()


class DiagnosticSet:
    """Findings without repetition; iteration goes by place, then by code, however they were added."""

    def __init__(self, items: Iterable[Diagnostic] = ()) -> None:
        self._items: dict[tuple[Span, str, str], Diagnostic] = {}
        self.extend(items)

    def add(self, item: Diagnostic) -> None:
        """Add one finding; the same code and message at the same place counts once."""
        self._items.setdefault((item.primary.span, item.code, item.message), item)

    def extend(self, items: Iterable[Diagnostic]) -> None:
        """Add several findings."""
        for item in items:
            self.add(item)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(item for _, item in sorted(self._items.items(), key=lambda entry: entry[0]))

    def __len__(self) -> int:
        return len(self._items)

    @property
    def has_errors(self) -> bool:
        """Whether any finding stops the compiler."""
        return self.count(Severity.ERROR) > 0

    def count(self, severity: Severity) -> int:
        """Number of findings of exactly this severity."""
        return sum(item.severity is severity for item in self._items.values())

    def first(self, limit: int) -> list[Diagnostic]:
        """At most `limit` findings in order of place; when some must go, notes go first and errors last."""
        rank = list(Severity)
        worst = sorted(self, key=lambda item: rank.index(item.severity))[:limit]
        kept = {id(item) for item in worst}
        return [item for item in self if id(item) in kept]
