"""The same conversation in each of the four wire forms."""

import json
from dataclasses import dataclass, field
from typing import Any

PIXEL = "iVBORw0KGgo="
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CLOCK: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True)
class Step:
    """A call that was made, and what came of it."""

    name: str
    arguments: dict[str, Any]
    result: str


@dataclass(frozen=True)
class Talk:
    """A conversation: what the system says, the user asked, was called, and the user said then."""

    user: str = "Hello wörld"
    system: str = ""
    image: str = ""
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    then: str = ""
    bound: int | None = None
    schema: dict[str, Any] | None = None

    def chat(self) -> dict[str, Any]:
        """As OpenAI Chat has it."""
        image = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{self.image}"}}]
        content: Any = [{"type": "text", "text": self.user}, *image] if self.image else self.user
        messages: list[Any] = [{"role": "system", "content": self.system}] if self.system else []
        messages.append({"role": "user", "content": content})
        if self.steps:
            messages.append(
                {"role": "assistant", "content": None, "tool_calls": [_called(*one) for one in self._calls()]}
            )
            for id_, step in self._calls():
                messages.append({"role": "tool", "tool_call_id": id_, "content": step.result})
        if self.then:
            messages.append({"role": "user", "content": self.then})
        body: dict[str, Any] = {"messages": messages}
        if self.tools:
            body["tools"] = [
                {"type": "function", "function": {"name": name, "parameters": schema}}
                for name, schema in self.tools.items()
            ]
        if self.bound is not None:
            body["max_completion_tokens"] = self.bound
        if self.schema is not None:
            wanted = {"name": "wanted", "schema": self.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body

    def responses(self) -> dict[str, Any]:
        """As OpenAI Responses has it."""
        image = [{"type": "input_image", "image_url": f"data:image/png;base64,{self.image}"}]
        content: Any = [{"type": "input_text", "text": self.user}, *image] if self.image else self.user
        items: list[Any] = [{"role": "user", "content": content}]
        for id_, step in self._calls():
            call = {"call_id": id_, "name": step.name, "arguments": json.dumps(step.arguments)}
            items.append({"type": "function_call", **call})
        items += [{"type": "function_call_output", "call_id": id_, "output": one.result} for id_, one in self._calls()]
        if self.then:
            items.append({"role": "user", "content": self.then})
        body: dict[str, Any] = {"input": items}
        if self.system:
            body["instructions"] = self.system
        if self.tools:
            body["tools"] = [
                {"type": "function", "name": name, "parameters": schema, "strict": False}
                for name, schema in self.tools.items()
            ]
        if self.bound is not None:
            body["max_output_tokens"] = self.bound
        if self.schema is not None:
            body["text"] = {"format": {"type": "json_schema", "name": "wanted", "schema": self.schema, "strict": True}}
        return body

    def messages(self) -> dict[str, Any]:
        """As Anthropic Messages has it."""
        source = {"type": "base64", "media_type": "image/png", "data": self.image}
        image = [{"type": "image", "source": source}]
        content: Any = [{"type": "text", "text": self.user}, *image] if self.image else self.user
        messages: list[Any] = [{"role": "user", "content": content}]
        if self.steps:
            calls = [{"type": "tool_use", "id": id_, "name": s.name, "input": s.arguments} for id_, s in self._calls()]
            results: list[Any] = [
                {"type": "tool_result", "tool_use_id": id_, "content": step.result} for id_, step in self._calls()
            ]
            messages.append({"role": "assistant", "content": calls})
            messages.append({"role": "user", "content": results})
        if self.then:
            messages.append({"role": "user", "content": self.then})
        body: dict[str, Any] = {"messages": messages, "max_tokens": self.bound or 4096}
        if self.system:
            body["system"] = self.system
        if self.tools:
            body["tools"] = [{"name": name, "input_schema": schema} for name, schema in self.tools.items()]
        if self.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": self.schema}}
        return body

    def gemini(self) -> dict[str, Any]:
        """As Gemini has it."""
        image = [{"inlineData": {"mimeType": "image/png", "data": self.image}}]
        contents: list[Any] = [{"role": "user", "parts": [{"text": self.user}, *(image if self.image else [])]}]
        if self.steps:
            calls = [{"functionCall": {"name": step.name, "args": step.arguments}} for step in self.steps]
            answers = [
                {"functionResponse": {"name": step.name, "response": {"output": step.result}}} for step in self.steps
            ]
            contents += [{"role": "model", "parts": calls}, {"role": "user", "parts": answers}]
        if self.then:
            contents.append({"role": "user", "parts": [{"text": self.then}]})
        body: dict[str, Any] = {"contents": contents}
        config: dict[str, Any] = {}
        if self.system:
            body["systemInstruction"] = {"parts": [{"text": self.system}]}
        if self.tools:
            declared = [{"name": name, "parametersJsonSchema": schema} for name, schema in self.tools.items()]
            body["tools"] = [{"functionDeclarations": declared}]
        if self.bound is not None:
            config["maxOutputTokens"] = self.bound
        if self.schema is not None:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": self.schema}
        return {**body, "generationConfig": config} if config else body

    def _calls(self) -> list[tuple[str, Step]]:
        return [(f"call_{at}", step) for at, step in enumerate(self.steps)]


def _called(id_: str, step: Step) -> dict[str, Any]:
    function = {"name": step.name, "arguments": json.dumps(step.arguments, separators=(",", ":"))}
    return {"id": id_, "type": "function", "function": function}


SUNNY = Step("get_weather", {"city": "Oslo", "days": 3}, "sunny")
LATE = Step("get_time", {}, "midnight")
TOOLS = {"get_weather": WEATHER, "get_time": CLOCK}
TALKS = {
    "plain": Talk(),
    "system": Talk(system="Be brief."),
    "image": Talk(image=PIXEL),
    "bounded": Talk(user="one two three four five six seven eight nine ten eleven twelve", bound=16),
    "schema": Talk(schema=WEATHER),
    "tool": Talk(tools=TOOLS),
    "parallel": Talk(user="all in parallel", tools=TOOLS),
    "one result": Talk(tools=TOOLS, steps=(SUNNY,)),
    "two results": Talk(tools=TOOLS, steps=(SUNNY, LATE)),
    "results and words": Talk(tools=TOOLS, steps=(SUNNY,), then="And now?"),
    "the same tool twice": Talk(tools=TOOLS, steps=(SUNNY, SUNNY)),
}
