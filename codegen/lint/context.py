"""Context: what a lint rule looks at, and how it says where something is wrong."""

from collections.abc import Iterable

from msgspec import Struct

from codegen.diagnostics import Diagnostic, Fix, Label
from codegen.reader import Tree
from codegen.rules import report
from codegen.source import Path, Span
from codegen.spec import Spec
from codegen.suggest import did_you_mean, nearest

_HINTED = 20  # looking for resembling names costs milliseconds each, and nobody reads more findings than this at once


class Context(Struct, frozen=True):
    """A document that the schema has accepted, and the places of its parts."""

    document: Spec
    tree: Tree

    def report(
        self,
        code: str,
        message: str,
        path: Path,
        *,
        key: bool = False,
        help: tuple[str, ...] = (),
        secondary: tuple[Label, ...] = (),
        fix: Fix | None = None,
    ) -> Diagnostic:
        """A finding at the value that stands at `path`, or at its key."""
        span = self.tree.key(path) if key else self.tree.at(path)
        return report(code, message, span, help=help, secondary=secondary, fix=fix, path=path)

    def inside(self, path: Path, text: str) -> Span | None:
        """Span of the characters of the scalar `text` at `path`, without quotes; None when it is written otherwise."""
        span = self.tree.at(path)
        quotes = span.end - span.start - len(text)
        if quotes not in (0, 2):
            return None
        return Span(span.start + quotes // 2, span.end - quotes // 2)

    def unknown_names(
        self, code: str, found: Iterable[tuple[Path, str, str]], known: Iterable[str], what: str
    ) -> Iterable[Diagnostic]:
        """A finding for each (path, name, message), with the known names it resembles."""
        names = tuple(known)
        for at, (path, name, message) in enumerate(found):
            close = nearest(name, names) if at < _HINTED else ()
            hint = did_you_mean(close) if close else f"name one of the {what}, or add `{name}` to them"
            yield self.report(code, message, path, help=(hint,), fix=self._use(path, name, close))

    def _use(self, path: Path, name: str, close: tuple[str, ...]) -> Fix | None:
        """The replacement by the only candidate; a name that starts with a digit might not stay text unquoted."""
        span = self.inside(path, name)
        if span is None or len(close) != 1 or not close[0][0].isalpha():
            return None
        return Fix(span, close[0], f"use `{close[0]}`")
