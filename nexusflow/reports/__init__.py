"""What was used and what it cost, read from the ledger's transfers: reports, statements, the call log."""
