"""The kill loop: a real gateway under load from real SDKs, killed again and again, and its books afterwards (AT-03)."""
