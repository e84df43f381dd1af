"""Anthropic's wire forms: Messages in both API versions, counting, and the list of models."""
