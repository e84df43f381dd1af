"""Whether an engine of limits is exact while many processes use it at once: `python -m tests.exactness --help`."""
