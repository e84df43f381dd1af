"""`python -m tests.golden.update`: record what the compiler makes of every case; review the difference."""

import shutil

from tests.golden import cases


def main() -> None:
    """Rewrite every `expected/` folder."""
    for name in cases.names():
        expected = cases.ROOT / name / "expected"
        shutil.rmtree(expected, ignore_errors=True)
        for path, data in cases.produce(name).items():
            target = expected / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


if __name__ == "__main__":
    main()
