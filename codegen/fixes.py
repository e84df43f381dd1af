"""Fixes: apply the edits that diagnostics offer."""

from collections.abc import Iterable

from codegen.diagnostics import Fix


def apply(text: str, fixes: Iterable[Fix]) -> str:
    """The text with all fixes made that do not get in each other's way.

    Where two overlap, the one that starts first is made; a repeated one is made once. Insertions at one place keep
    their order. What is left out can be offered again by checking the result.
    """
    chosen: list[Fix] = []
    for fix in sorted(dict.fromkeys(fixes), key=lambda fix: (fix.span.start, fix.span.end)):
        if not chosen or fix.span.start >= chosen[-1].span.end:
            chosen.append(fix)
    for fix in reversed(chosen):
        text = text[: fix.span.start] + fix.replacement + text[fix.span.end :]
    return text
