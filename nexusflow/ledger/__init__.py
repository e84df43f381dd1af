"""Money: reservations, the journal of each worker, and the double-entry ledger behind it (engines C, reliability 2)."""
