"""`POST /v1/responses/input_tokens` (protocols 1.9)."""

from typing import Any, ClassVar

from nexusflow.simulator.failure import Vendor
from nexusflow.simulator.form import Call, Plain
from nexusflow.simulator.openai.vendor import OPENAI
from nexusflow.simulator.usage import Usage


class InputTokens(Plain):
    """How many tokens the input of a response has."""

    vendor: ClassVar[Vendor] = OPENAI

    def unary(self, call: Call) -> dict[str, Any]:
        return {"object": "response.input_tokens", **self.usage(call.measure([]))}

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {"input_tokens": usage.input}
