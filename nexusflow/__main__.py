"""`python -m nexusflow` is `nexusflow`."""

from nexusflow.cli.main import run

run()
