"""Canonical values shared by every layer. No behaviour, no I/O."""
