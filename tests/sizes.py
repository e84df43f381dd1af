"""The size budget: `python -m tests.sizes`. Median file under 150 lines, none over 600, functions under 40 lines."""

import ast
import statistics
import sys
from pathlib import Path

PACKAGES = ("nexusflow", "codegen")
GENERATED = frozenset(("codegen/spec.py",))
FILE_LINES, MEDIAN_LINES, FUNCTION_LINES, TEMPLATE_LINES = 600, 150, 40, 120


def main() -> int:
    """Print every breach; the exit code is 1 when there is one."""
    root = Path(__file__).resolve().parent.parent
    files = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    hand_written = [path for path in files if str(path.relative_to(root)) not in GENERATED]
    breaches: list[str] = []
    lengths = []
    for path in hand_written:
        text = path.read_text(encoding="utf-8")
        count = len(text.splitlines())
        lengths.append(count)
        if count > FILE_LINES:
            breaches.append(f"{path.relative_to(root)}: {count} lines, at most {FILE_LINES}")
        breaches += [f"{path.relative_to(root)}:{line}: {what}" for line, what in _long_functions(text)]
    for path in sorted((root / "codegen" / "templates").iterdir()):
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > TEMPLATE_LINES:
            breaches.append(f"{path.relative_to(root)}: {count} lines, at most {TEMPLATE_LINES}")
    median = statistics.median(lengths)
    if median >= MEDIAN_LINES:
        breaches.append(f"the median file has {median:.0f} lines, must be under {MEDIAN_LINES}")
    print("\n".join(breaches) or f"{len(lengths)} files, median {median:.0f} lines, longest {max(lengths)}")
    return 1 if breaches else 0


def _long_functions(text: str) -> list[tuple[int, str]]:
    """Functions over budget; the docstring does not count, since it is documentation."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node) is not None:
            doc = node.body[0]
            lines -= (doc.end_lineno or doc.lineno) - doc.lineno + 1
        if lines > FUNCTION_LINES:
            found.append((node.lineno, f"{node.name} has {lines} lines, at most {FUNCTION_LINES}"))
    return found


if __name__ == "__main__":
    sys.exit(main())
