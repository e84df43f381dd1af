"""The gateway's own protocol for images and videos: one task resource for all models (contract 2.8)."""
