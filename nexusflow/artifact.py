"""The ABI: every name that generated code may import. Nothing else of the library is visible to an artifact."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from litestar import asgi
from litestar.types import Receive, Scope, Send
from msgspec import Meta, Struct

from nexusflow.endpoints.chat import OpenAIChat
from nexusflow.endpoints.embeddings import OpenAIEmbeddings
from nexusflow.endpoints.gemini import GeminiGenerate, by_method
from nexusflow.endpoints.images import OpenAIImages
from nexusflow.endpoints.messages import AnthropicMessages
from nexusflow.endpoints.models import ModelList
from nexusflow.endpoints.responses import OpenAIResponses
from nexusflow.endpoints.tasks import Tasks
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.plan import ABI, ImageRate, LaterPrice, LongPrompt, Plan, Price, Rates, TierRates, VideoRate
from nexusflow.protocols.anthropic.wire import MessagesRequest
from nexusflow.protocols.gemini.wire import GenerateRequest, GenerationConfig
from nexusflow.protocols.openai_chat.wire import ChatRequest
from nexusflow.protocols.openai_embeddings.wire import EmbeddingRequest
from nexusflow.protocols.openai_images.wire import ImageRequest
from nexusflow.protocols.openai_responses.wire import ResponsesRequest
from nexusflow.protocols.tasks.wire import TaskRequest

CATALOG_FILE = "catalog.json"

__all__ = [
    "ABI",
    "Annotated",
    "AnthropicMessages",
    "Artifact",
    "ChatRequest",
    "EmbeddingRequest",
    "GeminiGenerate",
    "GenerateRequest",
    "GenerationConfig",
    "ImageRate",
    "ImageRequest",
    "LaterPrice",
    "Literal",
    "LongPrompt",
    "MessagesRequest",
    "Meta",
    "ModelList",
    "OpenAIChat",
    "OpenAIEmbeddings",
    "OpenAIImages",
    "OpenAIResponses",
    "Price",
    "Rates",
    "Receive",
    "ResponsesRequest",
    "Scope",
    "Send",
    "Struct",
    "TaskRequest",
    "Tasks",
    "TierRates",
    "VideoRate",
    "asgi",
    "by_method",
    "load",
]


def load(module_file: str, requests: Sequence[type[Struct]], prices: Sequence[Price]) -> Artifact:
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
