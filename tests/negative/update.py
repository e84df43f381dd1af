"""`python -m tests.negative.update`: record what the compiler says about every case; review the difference."""

import os
import subprocess
import sys


def main() -> int:
    """Rewrite every `expected.txt` whose case still triggers its code."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/negative"]
    return subprocess.run(command, env={**os.environ, "NEXUSFLOW_UPDATE": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
