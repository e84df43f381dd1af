"""The wire protocols. Each folder knows one protocol and no other."""
