"""Reader: YAML text to a Tree, one pass over the events of the parser.

Events are used instead of composed nodes because an alias is an event of its own, with a place in the text: that
keeps positions honest, lets the growth by aliases be counted before it happens, and needs no recursion, so that a
thousand open brackets are a message and not a crash (SEC-46).
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from codegen import scalars
from codegen.diagnostics import Diagnostic, Fix, Label
from codegen.reader_rules import DUPLICATE_KEY, NOT_UTF8, TOO_LARGE, UNSUPPORTED_YAML, YAML_SYNTAX
from codegen.rules import report
from codegen.source import Path, Source, Span
from codegen.suggest import did_you_mean, nearest
from codegen.tree import Tree
from codegen.yaml_errors import syntax_error

MAX_BYTES = 8 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_ALIAS_NODES = 50_000
MAX_DEPTH = 40

__all__ = ["Tree", "decode", "read"]

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml when PyYAML was built with it, else the parser in Python; both give the same tree."""

# What YAML does not allow, and the three characters that only YAML 1.1 takes for line breaks.
_FORBIDDEN = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+\s*")


def decode(data: bytes, name: str) -> Source | Diagnostic:
    """The source in these bytes; a finding when they are too many or not UTF-8.

    The place of that finding counts characters of the bytes decoded with replacement characters.
    """
    if len(data) > MAX_BYTES:
        return _too_large(f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read", Span(0, 0))
    try:
        return Source(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        at = len(data[: error.start].decode("utf-8"))
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        return report(
            NOT_UTF8,
            "the file is UTF-16, not UTF-8" if utf16 else f"byte 0x{data[error.start]:02x} is not UTF-8 text here",
            Span(at, at + 1),
            help=("save the file as UTF-8",),
        )


def read(source: Source) -> tuple[Tree | None, list[Diagnostic]]:
    """The tree of a source, or all that keeps it from being one. Exactly one of the two is present."""
    text = source.text
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return None, [_too_large(f"the file is longer than {MAX_BYTES:,} bytes", Span(0, 0))]
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        return None, [_forbidden(forbidden)]
    build = _Build(source)
    try:
        for event in _events(text):
            build.take(event)
    except yaml.YAMLError as error:
        build.findings.append(syntax_error(error, source))
    except _Stop as stop:
        build.findings.append(stop.finding)
    if build.findings:
        return None, build.findings
    return Tree(source, build.value, build.spans, build.keys, build.origins), []


def _events(text: str) -> Iterator[Event]:
    yield from yaml.parse(text, Loader=LOADER)


class _Stop(Exception):
    """A finding after which going on makes no sense."""

    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(finding.message)
        self.finding = finding


class _Frame:
    """A collection whose end has not come yet. `size` and `height` count what is below it, aliases filled in."""

    __slots__ = ("anchor", "end", "flow", "height", "key", "path", "size", "start", "value")

    def __init__(self, value: dict[str, Any] | list[Any], path: Path, event: CollectionStartEvent, start: int) -> None:
        self.value = value
        self.path = path
        self.anchor: str | None = event.anchor
        self.flow = bool(event.flow_style)
        self.start = start
        self.end = start
        self.key: str | None = None
        self.size = 1
        self.height = 1

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None


class _Anchored:
    """What an alias can stand for."""

    __slots__ = ("height", "path", "size", "span", "value")

    def __init__(self, value: object, path: Path, span: Span, size: int, height: int) -> None:
        self.value = value
        self.path = path
        self.span = span
        self.size = size
        self.height = height


class _Build:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.value: Any = None
        self.spans: dict[Path, Span] = {(): Span(0, 0)}
        self.keys: dict[Path, Span] = {}
        self.origins: dict[Path, Path] = {}
        self.findings: list[Diagnostic] = []
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchored] = {}
        self.open: dict[str, Span] = {}
        self.nodes = 0
        self.alias_nodes = 0
        self.documents = 0

    def take(self, event: Event) -> None:
        """Take the next event of the parser."""
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, MappingStartEvent):
            self._open(event, {})
        elif isinstance(event, SequenceStartEvent):
            self._open(event, [])
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close(event)
        elif isinstance(event, AliasEvent):
            self._alias(event)
        elif isinstance(event, DocumentStartEvent):
            self._document(event)

    def _document(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise _Stop(_unsupported("a file holds one document, and a second one starts here", _span(event)))
        if event.version not in (None, (1, 2)):
            raise _Stop(_unsupported("the file asks to be read as another YAML than 1.2", _span(event)))

    def _scalar(self, event: ScalarEvent) -> None:
        start, end = self._start(event), _span(event).end
        if event.style in ("|", ">"):
            end = start + len(self.source.text[start:end].rstrip())
        span = Span(start, end)
        self._count(1, span)
        self._refuse_tag(event.tag, span)
        value: scalars.Scalar = event.value
        if not event.style:
            try:
                value = scalars.resolve(event.value)
            except OverflowError:
                message = f"a number of {len(event.value)} characters; at most {scalars.MAX_DIGITS} are read"
                raise _Stop(_too_large(message, span)) from None
        if self.stack and self.stack[-1].wants_key:
            self._key(value, event, span)
        else:
            path = self._path()
            self._anchor(event.anchor, _Anchored(value, path, span, 1, 0))
            self._place(value, path, span, 1, 0)

    def _key(self, value: scalars.Scalar, event: ScalarEvent, span: Span) -> None:
        frame = self.stack[-1]
        name: str = event.value
        path = (*frame.path, name)
        self._anchor(event.anchor, _Anchored(value, path, span, 1, 0))
        if name == "<<" and not event.style:
            self.findings.append(
                _unsupported("merge keys are not part of gateway.yaml", span, "write the merged fields out")
            )
        elif not isinstance(value, str):
            written = self.source.slice(span)
            fix = Fix(span, f'"{name}"', f'write "{name}"') if written else None
            help_ = f'quote it to make it text: "{name}"' if written else "write the name before the colon"
            self.findings.append(_unsupported(f"a field name must be text, not `{written}`", span, help_, fix))
        elif path in self.keys:
            first = self.keys[path]
            line = self.source.position(first.start).line
            self.findings.append(
                report(
                    DUPLICATE_KEY,
                    f"`{name}` is already defined at line {line}",
                    span,
                    text="defined again here",
                    secondary=(Label(first, "first defined here"),),
                    help=("remove or rename one of them",),
                    path=path,
                )
            )
        self.keys.setdefault(path, span)
        frame.key = name

    def _open(self, event: CollectionStartEvent, value: dict[str, Any] | list[Any]) -> None:
        start = self._start(event)
        span = Span(start, max(start + 1, _span(event).end))
        self._count(1, span)
        self._refuse_tag(event.tag, span)
        if self.stack and self.stack[-1].wants_key:
            raise _Stop(_unsupported("a field name must be text, not a list or a group of fields", span))
        if len(self.stack) >= MAX_DEPTH:
            raise _Stop(_too_large(f"more than {MAX_DEPTH} levels of nesting", span))
        if event.anchor is not None:
            self._refuse_second(event.anchor, span)
            self.open[event.anchor] = span
        self.stack.append(_Frame(value, self._path(), event, start))

    def _close(self, event: Event) -> None:
        frame = self.stack.pop()
        # A block collection "ends" where the next line starts; people see its end at its last value.
        span = Span(frame.start, max(_span(event).end if frame.flow else frame.end, frame.start))
        if frame.anchor is not None:
            del self.open[frame.anchor]
            self.anchors[frame.anchor] = _Anchored(frame.value, frame.path, span, frame.size, frame.height)
        self._place(frame.value, frame.path, span, frame.size, frame.height)

    def _alias(self, event: AliasEvent) -> None:
        span, name = _span(event), event.anchor or ""
        if name in self.open:
            opened = (Label(self.open[name], "it starts here"),)
            raise _Stop(_unsupported(f"anchor `{name}` contains itself", span, secondary=opened))
        target = self.anchors.get(name)
        if target is None:
            known = nearest(name, self.anchors)
            hint = did_you_mean(known) if known else f"write `&{name}` before the value it should stand for"
            raise _Stop(report(YAML_SYNTAX, f"there is no anchor `{name}` above this", span, help=(hint,)))
        if self.stack and self.stack[-1].wants_key:
            raise _Stop(_unsupported("an alias cannot be a field name", span, "write the name out"))
        self._count(target.size, span)
        self.alias_nodes += target.size
        if self.alias_nodes > MAX_ALIAS_NODES:
            raise _Stop(_too_large(f"aliases stand for more than {MAX_ALIAS_NODES:,} values", span))
        if len(self.stack) + target.height > MAX_DEPTH:
            raise _Stop(_too_large(f"more than {MAX_DEPTH} levels of nesting", span))
        path = self._path()
        self.origins[path] = target.path
        self._place(target.value, path, span, target.size, target.height)

    def _path(self) -> Path:
        if not self.stack:
            return ()
        frame = self.stack[-1]
        return (*frame.path, len(frame.value) if frame.key is None else frame.key)

    def _place(self, value: object, path: Path, span: Span, size: int, height: int) -> None:
        self.spans[path] = span
        if not self.stack:
            self.value = value
            return
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is not None:
            frame.value[frame.key] = value
            frame.key = None
        frame.end = span.end
        frame.size += size
        frame.height = max(frame.height, height + 1)

    def _start(self, event: ScalarEvent | CollectionStartEvent) -> int:
        """Offset of the value itself: the parser counts an anchor before it as its beginning."""
        start = _span(event).start
        found = _ANCHOR.match(self.source.text, start) if event.anchor is not None else None
        return found.end() if found else start

    def _anchor(self, name: str | None, target: _Anchored) -> None:
        if name is not None:
            self._refuse_second(name, target.span)
            self.anchors[name] = target

    def _refuse_second(self, name: str, span: Span) -> None:
        first = self.open.get(name) or (self.anchors[name].span if name in self.anchors else None)
        if first is not None:
            message = f"anchor `{name}` is defined twice"
            raise _Stop(_unsupported(message, span, "give it another name", secondary=(Label(first, "first here"),)))

    def _refuse_tag(self, tag: str | None, span: Span) -> None:
        if tag is not None:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            help_ = "remove the tag; quotes around a value make it text"
            self.findings.append(_unsupported(f"the tag `{shown}` is not part of gateway.yaml", span, help_))

    def _count(self, nodes: int, span: Span) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _Stop(_too_large(f"the file stands for more than {MAX_NODES:,} values", span))


def _span(event: Event) -> Span:
    assert event.start_mark is not None
    assert event.end_mark is not None
    return Span(event.start_mark.index, event.end_mark.index)


def _too_large(message: str, span: Span) -> Diagnostic:
    return report(TOO_LARGE, message, span)


def _unsupported(
    message: str, span: Span, help_: str = "", fix: Fix | None = None, secondary: tuple[Label, ...] = ()
) -> Diagnostic:
    return report(UNSUPPORTED_YAML, message, span, help=(help_,) if help_ else (), fix=fix, secondary=secondary)


def _forbidden(found: re.Match[str]) -> Diagnostic:
    code = ord(found[0])
    escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    message = f"the character U+{code:04X} may not stand in a YAML file"
    return report(YAML_SYNTAX, message, Span(*found.span()), help=(f'inside "..." it can be written as {escape}',))
