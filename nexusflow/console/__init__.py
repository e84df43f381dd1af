"""The console: the gateway in a browser, for its operators (SEC-75)."""

from nexusflow.console.door import console_routes

__all__ = ["console_routes"]
