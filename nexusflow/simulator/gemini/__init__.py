"""Gemini's wire forms: generateContent plain and streamed, counting, embeddings, and the list of models."""
