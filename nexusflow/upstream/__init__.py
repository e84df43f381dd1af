"""Calls to providers: transport, connection pools, credentials. Knows nothing of client protocols."""
