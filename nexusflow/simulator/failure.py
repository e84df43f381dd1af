"""What a provider refuses with: classes of failure, and the vendors who put them into words of their own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from nexusflow.simulator.shape import Misfit

Class = Literal[
    "invalid", "context", "policy", "auth", "billing", "permission", "model", "route", "large", "rate", "quota",
    "internal", "gateway", "unavailable", "timeout", "overloaded",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """One refusal. `param` is OpenAI's, `code` OpenAI's and the `error_code` of Anthropic; `retry` is in seconds."""

    kind: Class
    message: str
    code: str | None = None
    param: str | None = None
    retry: str | None = None


class Refused(Exception):
    """A request that gets no reply."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Vendor(ABC):
    """Whose wire forms these are: how errors look and which headers go with every answer (protocols 1.10)."""

    words: ClassVar[Mapping[Class, str]]

    def failure(self, kind: Class, **more: Any) -> Failure:
        """A failure in the words that the vendor has for it."""
        return Failure(kind, self.words[kind], **more)

    @abstractmethod
    def misfit(self, misfit: Misfit) -> Failure:
        """What the vendor says of a part of the body that does not fit."""

    @abstractmethod
    def no_model(self, name: str, method: str) -> Failure:
        """What the vendor says of a model it does not have, or not for this method."""

    @abstractmethod
    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        """The status and body of a failure."""

    @abstractmethod
    def headers(self, identity: str) -> dict[str, str]:
        """The headers that every answer carries."""

    def hints(self, failure: Failure) -> dict[str, str]:
        """The headers that tell when to come again."""
        return {} if failure.retry is None else {"retry-after": failure.retry}
