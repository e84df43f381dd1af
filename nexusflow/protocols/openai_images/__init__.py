"""OpenAI's Images interface over every image model (contract 2.7)."""
