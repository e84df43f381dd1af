"""Tree: the values of a document, and where in the text each of them stands."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from codegen.source import Path, Source, Span


class Tree(Struct, frozen=True):
    """A document that was read.

    `spans` and `keys` hold the places of values and of field names. What an alias stands for has no places of its own
    below the alias; `origins` tells for each alias at which path its anchor is.
    """

    source: Source
    value: Any
    spans: Mapping[Path, Span]
    keys: Mapping[Path, Span]
    origins: Mapping[Path, Path]

    def at(self, path: Path) -> Span:
        """Place of a value; where it has none, of the nearest value around it."""
        for end in range(len(path), 0, -1):
            span = self.spans.get(path[:end])
            if span is not None:
                return span
        return self.spans[()]

    def key(self, path: Path) -> Span:
        """Place of a field's name; a list item, the root and what an alias made have none: then as `at`."""
        return self.keys.get(path) or self.at(path)

    def origin(self, path: Path) -> Path | None:
        """Where the value at this path is really written, when an alias brought it here."""
        found = None
        for end in range(len(path), 0, -1):
            target = self.origins.get(path[:end])
            if target is not None:
                found = target + path[end:]
                return self.origin(found) or found
        return found

    def get(self, path: Path) -> Any:
        """The value at a path. Raises KeyError or IndexError when there is none."""
        value = self.value
        for step in path:
            value = value[step]
        return value
