"""`python -m nexusflow` is `nexusflow`."""

from nexusflow.cli.main import main

main()
