"""`python -m tests.matrix.update`: rewrite the goldens of the translation matrix; review the difference."""

import sys

from tests.matrix import cases


def main() -> int:
    """Write every golden file, and remove those that no case has any more."""
    wanted = cases.everything()
    for path, text in wanted.items():
        target = cases.ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")
    for stale in cases.on_disk() - wanted.keys():
        (cases.ROOT / stale).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
