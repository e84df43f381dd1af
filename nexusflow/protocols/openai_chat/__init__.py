"""OpenAI Chat Completions: request structs, response and stream handling, error envelopes (protocols 1.2)."""
