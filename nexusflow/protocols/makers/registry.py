"""Which maker speaks to which provider."""

from nexusflow.ir.task import MediaType
from nexusflow.protocols.makers import (
    dashscope,
    fal,
    gemini_images,
    kling,
    minimax,
    openai_images,
    openai_videos,
    replicate,
    veo,
    xai,
    zhipu,
)
from nexusflow.protocols.makers.maker import Maker

_MAKERS: dict[tuple[str, MediaType], Maker] = {
    ("openai/chat-completions", "image"): openai_images.MAKER,
    ("openai/chat-completions", "video"): openai_videos.MAKER,
    ("openai/responses", "image"): openai_images.MAKER,
    ("openai/responses", "video"): openai_videos.MAKER,
    ("google/generate-content", "image"): gemini_images.MAKER,
    ("google/generate-content", "video"): veo.MAKER,
    ("dashscope/tasks", "image"): dashscope.MAKER,
    ("dashscope/tasks", "video"): dashscope.MAKER,
    ("replicate/predictions", "image"): replicate.MAKER,
    ("replicate/predictions", "video"): replicate.MAKER,
    ("fal/queue", "image"): fal.MAKER,
    ("fal/queue", "video"): fal.MAKER,
    ("kling/videos", "image"): kling.IMAGES,
    ("kling/videos", "video"): kling.MAKER,
    ("minimax/videos", "video"): minimax.MAKER,
    ("xai/videos", "video"): xai.MAKER,
    ("zhipu/videos", "video"): zhipu.MAKER,
}


def maker_for(protocol: str, kind: MediaType) -> Maker | None:
    """The maker of a provider that speaks `protocol`; None where this version cannot have `kind` made there."""
    return _MAKERS.get((protocol, kind))
