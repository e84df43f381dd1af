"""The HTTP surfaces: one class per family of routes, called by the generated handlers."""
