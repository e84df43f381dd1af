"""Google Gemini generateContent, streamGenerateContent and countTokens (protocols 1.5)."""
