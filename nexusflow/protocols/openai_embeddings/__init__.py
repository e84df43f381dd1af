"""OpenAI Embeddings, as client and as upstream: `POST /v1/embeddings` (contract 2.6, protocols 1.6)."""
