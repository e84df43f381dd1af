"""Gemini `:embedContent` and `:batchEmbedContents`, as client and as upstream (protocols 1.6)."""
