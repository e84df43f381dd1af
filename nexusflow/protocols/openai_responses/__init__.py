"""OpenAI Responses: request structs, identity lane, readers and writers of the canonical chat (protocols 1.3)."""
