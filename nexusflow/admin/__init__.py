"""The admin API `/admin/v1/…`: accounts, keys, money and reports over HTTP, for keys with an admin scope (SEC-57)."""

from nexusflow.admin.metrics import metrics_routes
from nexusflow.admin.mount import admin_routes

__all__ = ["admin_routes", "metrics_routes"]
