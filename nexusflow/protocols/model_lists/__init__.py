"""The model list in the shapes of three protocols, whose SDKs ask at the same address (protocols 1.8, L39 … L42)."""
