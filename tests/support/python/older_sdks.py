"""The vendors' SDKs of one major version before the present: `older_sdks.py UPSTREAM...`, in an environment of its own.

Prints what each client saw of each upstream, as JSON.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import anthropic
import openai
from anthropic import Anthropic
from google import genai
from google.genai import errors, types
from openai import OpenAI

URL, KEY = os.environ["NEXUSFLOW_URL"], os.environ["NEXUSFLOW_KEY"]
HELLO, BOTH = "Hello wörld 漢字", "get_weather and get_time, in parallel"
CHAT = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
MESSAGES = Anthropic(base_url=URL, api_key=KEY, max_retries=0)
GEMINI = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))
TOOLS = {
    name: {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    for name, argument in {"get_weather": "city", "get_time": "zone"}.items()
}
Asked = Callable[[], Any]


def done(name: str) -> str:
    """What a tool answers."""
    return f"{name} is done"


class Chat:
    """OpenAI's, over Chat Completions."""

    failure = openai.APIError
    tools: ClassVar[Any] = [
        {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in TOOLS.items()
    ]

    def plain(self, model: str) -> Any:
        answer = CHAT.chat.completions.create(model=model, messages=[{"role": "user", "content": HELLO}])
        return answer.choices[0].message.content

    def pieces(self, model: str) -> Iterator[str]:
        asked: Any = [{"role": "user", "content": HELLO}]
        for chunk in CHAT.chat.completions.create(model=model, messages=asked, stream=True):
            yield from (choice.delta.content for choice in chunk.choices if choice.delta.content)

    def turns(self, model: str, *, streams: bool) -> Any:
        call: Any = {"model": model, "messages": [{"role": "user", "content": BOTH}], "tools": self.tools}

        def ask() -> Any:
            if not streams:
                return CHAT.chat.completions.create(**call).choices[0].message
            with CHAT.chat.completions.stream(**call) as stream:
                return stream.get_final_completion().choices[0].message

        first = ask()
        names = [call.function.name for call in first.tool_calls]
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": done(call.function.name)} for call in first.tool_calls
        ]
        fields = {"role", "content", "tool_calls", "reasoning_details"}  # without what the helper parsed, for providers
        turn = first.model_dump(include=fields, exclude_none=True)
        for one in turn["tool_calls"]:
            one["function"].pop("parsed_arguments", None)
        call["messages"] += [turn, *results]
        return [names, ask().content]

    def models(self) -> list[str]:
        return [model.id for model in CHAT.models.list()]


class Responses:
    """OpenAI's, over Responses."""

    failure = openai.APIError
    tools: ClassVar[Any] = [
        {"type": "function", "name": name, "parameters": schema, "strict": False} for name, schema in TOOLS.items()
    ]

    def plain(self, model: str) -> Any:
        return CHAT.responses.create(model=model, input=HELLO).output_text

    def pieces(self, model: str) -> Iterator[str]:
        for event in CHAT.responses.create(model=model, input=HELLO, stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta
            elif event.type == "response.failed":
                raise RuntimeError(event.response.error)

    def turns(self, model: str, *, streams: bool) -> Any:
        call: Any = {"model": model, "input": [{"role": "user", "content": BOTH}], "tools": self.tools}
        if model.endswith("/thinker"):
            call |= {"include": ["reasoning.encrypted_content"], "store": False}

        def ask() -> Any:
            if not streams:
                return CHAT.responses.create(**call)
            with CHAT.responses.stream(**call) as stream:
                return stream.get_final_response()

        first = ask()
        calls = [item for item in first.output if item.type == "function_call"]
        results = [{"type": "function_call_output", "call_id": one.call_id, "output": done(one.name)} for one in calls]
        call["input"] += [*first.output, *results]
        return [[one.name for one in calls], ask().output_text]


class Messages:
    """Anthropic's."""

    failure = anthropic.APIError
    tools: ClassVar[Any] = [{"name": name, "input_schema": schema} for name, schema in TOOLS.items()]

    def plain(self, model: str) -> Any:
        answer: Any = MESSAGES.messages.create(
            model=model, max_tokens=4096, messages=[{"role": "user", "content": HELLO}]
        )
        return answer.content[-1].text

    def pieces(self, model: str) -> Iterator[str]:
        asked: Any = [{"role": "user", "content": HELLO}]
        with MESSAGES.messages.stream(model=model, max_tokens=4096, messages=asked) as stream:
            yield from stream.text_stream

    def turns(self, model: str, *, streams: bool) -> Any:
        call: Any = {"model": model, "max_tokens": 4096, "tools": self.tools}
        call["messages"] = [{"role": "user", "content": BOTH}]

        def ask() -> Any:
            if not streams:
                return MESSAGES.messages.create(**call)
            with MESSAGES.beta.messages.stream(**call) as stream:  # at `?beta=true`, as this version has it
                return stream.get_final_message()

        first = ask()
        calls = [block for block in first.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": one.id, "content": done(one.name)} for one in calls]
        call["messages"] += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        return [[one.name for one in calls], "".join(one.text for one in ask().content if one.type == "text")]

    def count(self, model: str) -> int:
        asked: Any = [{"role": "user", "content": HELLO}]
        return MESSAGES.messages.count_tokens(model=model, messages=asked).input_tokens

    def models(self) -> list[str]:
        return [model.id for model in MESSAGES.models.list()]


class Gemini:
    """Google's."""

    failure = errors.APIError
    tools: ClassVar[Any] = [
        types.Tool(
            function_declarations=[
                types.FunctionDeclaration(name=name, parameters_json_schema=schema) for name, schema in TOOLS.items()
            ]
        )
    ]

    def plain(self, model: str) -> Any:
        return GEMINI.models.generate_content(model=model, contents=HELLO).text

    def pieces(self, model: str) -> Iterator[str]:
        for chunk in GEMINI.models.generate_content_stream(model=model, contents=HELLO):
            if chunk.text:
                yield chunk.text

    def turns(self, model: str, *, streams: bool) -> Any:
        chat = GEMINI.chats.create(model=model, config=types.GenerateContentConfig(tools=self.tools))

        def ask(message: Any) -> tuple[list[Any], str]:
            answers = list(chat.send_message_stream(message)) if streams else [chat.send_message(message)]
            parts = [part for one in answers for part in one.parts or ()]
            calls = [part.function_call for part in parts if part.function_call]
            return calls, "".join(part.text for part in parts if part.text and not part.thought)

        calls, _ = ask(BOTH)
        results = [
            types.Part(
                function_response=types.FunctionResponse(id=one.id, name=one.name, response={"output": done(one.name)})
            )
            for one in calls
        ]
        return [[one.name for one in calls], ask(results)[1]]

    def count(self, model: str) -> Any:
        return GEMINI.models.count_tokens(model=model, contents=HELLO).total_tokens

    def models(self) -> list[str]:
        return [(model.name or "").removeprefix("models/") for model in GEMINI.models.list()]


CLIENTS: dict[str, Any] = {"chat": Chat(), "responses": Responses(), "messages": Messages(), "gemini": Gemini()}


def outcome(asked: Asked, failure: type[Exception] | tuple[()] = ()) -> Any:
    """What came of it, or the class and the status of a failure that is looked for."""
    try:
        return {"value": asked()}
    except failure as error:
        return {"value": [type(error).__name__, getattr(error, "status_code", None) or getattr(error, "code", None)]}
    except Exception:
        return {"thrown": traceback.format_exc()}


def broken(client: Any, model: str) -> Any:
    """What a stream said before it broke, and whether it broke."""
    seen: list[str] = []
    try:
        seen.extend(client.pieces(model))
    except (client.failure, RuntimeError) as error:
        return ["".join(seen), str(error) != ""]
    return ["".join(seen), False]


def scenarios(client: Any, upstream: str) -> dict[str, Any]:
    """All of one client with one upstream."""
    chat, thinker = f"{upstream}/chat", f"{upstream}/thinker"
    found = {
        "plain": outcome(lambda: client.plain(chat)),
        "stream": outcome(lambda: list(client.pieces(chat))),
        "tools": outcome(lambda: client.turns(chat, streams=False)),
        "tools-stream": outcome(lambda: client.turns(chat, streams=True)),
        "thinker-tools": outcome(lambda: client.turns(thinker, streams=False)),
        "thinker-tools-stream": outcome(lambda: client.turns(thinker, streams=True)),
        "limited": outcome(lambda: client.plain(f"{upstream}/429"), client.failure),
        "limited-stream": outcome(lambda: list(client.pieces(f"{upstream}/429")), client.failure),
        "cut": outcome(lambda: broken(client, f"{upstream}/cut")),
    }
    if hasattr(client, "count"):
        found["count"] = outcome(lambda: client.count(chat))
    return found


seen = {
    name: {
        "versions": {"value": [openai.__version__, anthropic.__version__, genai.__version__]},
        "models": outcome(getattr(client, "models", list)),
        "missing": outcome(lambda client=client: client.plain("no/such"), client.failure),
        **{upstream: scenarios(client, upstream) for upstream in sys.argv[1:]},
    }
    for name, client in CLIENTS.items()
}
print(json.dumps(seen))
