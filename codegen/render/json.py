"""JSON: one object per line and finding."""

import msgspec

from codegen.render.finding import Finding


def render(findings: list[Finding]) -> str:
    """The machine form as it is; control characters are escaped as JSON wants it."""
    return "".join(msgspec.json.encode(item).decode() + "\n" for item in findings)
