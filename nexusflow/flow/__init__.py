"""One request's life, one file per step: admit, read, route, attempt, stream. Nothing here reads global state."""
