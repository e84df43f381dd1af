"""`catalog.json`: every text of the plan, as data (SEC-41). Prices are Python constants and therefore left out here."""

import msgspec

from nexusflow.ir.plan import Plan

FILE = "catalog.json"


def emit(plan: Plan) -> bytes:
    """One model per line, so that two artifacts can be compared with `diff`."""
    return msgspec.json.format(msgspec.structs.replace(plan, prices=()).canonical(), indent=1) + b"\n"
