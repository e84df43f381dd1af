"""Context: what a lint rule looks at, and how it says where something is wrong."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from codegen import scalars
from codegen.diagnostics import Diagnostic, Fix, Label
from codegen.rules import report
from codegen.source import Path
from codegen.spec import Spec
from codegen.suggest import did_you_mean, nearest
from codegen.tree import Tree

_HINTED = 20  # looking for resembling names costs milliseconds each, and nobody reads more findings than this at once


class Mention(Struct, frozen=True):
    """A name that is written somewhere and stands for something else."""

    path: Path
    name: str
    message: str


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

    def replace(self, path: Path, value: scalars.Scalar, title: str) -> Fix | None:
        """The edit that writes `value` at `path`; None where an alias stands, since others share what it means."""
        if path not in self.tree.spans or path in self.tree.origins:
            return None
        return Fix(self.tree.spans[path], scalars.write(value), title)

    def unknown_names(
        self, code: str, found: Iterable[Mention], known: Mapping[str, str], what: str
    ) -> Iterator[Diagnostic]:
        """A finding for each mention, with what it may mean. `known` maps each name to the one to write for it."""
        names = tuple(known)
        for at, mention in enumerate(found):
            close = nearest(mention.name, names) if at < _HINTED else ()
            meant = tuple(dict.fromkeys(known[name] for name in close))
            hint = did_you_mean(meant) if meant else f"name one of the {what}, or add `{mention.name}` to them"
            fix = self.replace(mention.path, meant[0], f"write `{meant[0]}`") if len(meant) == 1 else None
            yield self.report(code, mention.message, mention.path, help=(hint,), fix=fix)
