"""One module per kind of proof; each check reads a snapshot and yields the offenders it finds."""
