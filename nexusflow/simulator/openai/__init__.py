"""OpenAI's wire forms: Chat Completions, Responses, embeddings and the list of models."""
