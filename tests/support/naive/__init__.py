"""Naive readings of recorded answers, one module for each protocol; nothing of the gateway is imported here."""
