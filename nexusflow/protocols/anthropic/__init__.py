"""Anthropic Messages: request structs, identity lane, both directions of the bridge, token counting (protocols 1.4)."""
