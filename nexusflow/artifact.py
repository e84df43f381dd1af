"""The ABI: every name that generated code may import. Nothing else of the library is visible to an artifact."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from litestar import asgi
from litestar.types import Receive, Scope, Send
from msgspec import Meta

from nexusflow.endpoints.chat import OpenAIChat
from nexusflow.endpoints.models import ModelList
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.plan import ABI, ImageRate, LongPrompt, Plan, Price, Rates, TierRates, VideoRate
from nexusflow.protocols.openai_chat.wire import ChatRequest

CATALOG_FILE = "catalog.json"

__all__ = [
    "ABI",
    "Annotated",
    "Artifact",
    "ChatRequest",
    "ImageRate",
    "LongPrompt",
    "Meta",
    "ModelList",
    "OpenAIChat",
    "Price",
    "Rates",
    "Receive",
    "Scope",
    "Send",
    "TierRates",
    "VideoRate",
    "asgi",
    "load",
]


def load(module_file: str, requests: Sequence[type[ChatRequest]], prices: Sequence[Price]) -> Artifact:
    """Join the data beside `module_file` with the generated structs and constants.

    Raises `ValueError` when they do not belong together, which only an edited artifact can cause.
    """
    data = (Path(module_file).parent / CATALOG_FILE).read_bytes()
    plan = msgspec.json.decode(data, type=Plan)
    if plan.abi != ABI:
        raise ValueError(f"the artifact has ABI {plan.abi}, this version needs {ABI}; run `nexusflow build`")
    if len(requests) != len(plan.shapes):
        raise ValueError("the artifact's request structs do not match its catalog")
    plan = msgspec.structs.replace(plan, prices=tuple(prices))
    return Artifact(plan, tuple(msgspec.json.Decoder(request) for request in requests))
