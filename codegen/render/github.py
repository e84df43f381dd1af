"""GitHub: workflow commands that show findings beside the lines of a pull request."""

from codegen.render.finding import Finding
from codegen.render.screen import clean

_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def render(findings: list[Finding]) -> str:
    """One command per finding."""
    return "".join(_command(item) for item in findings)


def _command(item: Finding) -> str:
    place = item.place
    properties = {"file": place.file, "line": place.line, "endLine": place.end_line}
    if place.line == place.end_line:  # GitHub drops an annotation that has columns on several lines
        properties |= {"col": place.column, "endColumn": max(place.end_column, place.column + 1)}
    properties["title"] = f"{item.code} {item.slug}"
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    body = "%0A".join(_data(clean(line)) for line in (item.message, *item.help))
    return f"::{_LEVELS[item.severity]} {listed}::{body}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(clean(text)).replace(":", "%3A").replace(",", "%2C")
