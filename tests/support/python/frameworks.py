"""Agents of the usual frameworks over every protocol that each of them speaks: `frameworks.py UPSTREAM...`.

An agent with two tools is run until it has answered, whole and streamed, and one that answers with an object. Prints
what came of it, as JSON.
"""

import asyncio
import json
import os
import sys
import traceback
from typing import Any

import agents
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

URL, KEY = os.environ["NEXUSFLOW_URL"], os.environ["NEXUSFLOW_KEY"]
QUESTION = "get_weather and get_time, in parallel"
CLIENTS = ("chat", "responses", "messages", "gemini")


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"18 degrees in {city}"


def get_time(zone: str) -> str:
    """The time in a zone."""
    return f"noon in {zone}"


TOOLS = (get_weather, get_time)


class City(BaseModel):
    """A structured answer."""

    name: str
    people: int


class PydanticAI:
    """Over all four."""

    clients = CLIENTS

    def __init__(self) -> None:
        openai = OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)
        anthropic = AnthropicProvider(base_url=URL, api_key=KEY)
        google = GoogleProvider(base_url=URL, api_key=KEY)
        self.models: dict[str, Any] = {
            "chat": lambda name: OpenAIChatModel(name, provider=openai),
            "responses": lambda name: OpenAIResponsesModel(name, provider=openai),
            "messages": lambda name: AnthropicModel(name, provider=anthropic),
            "gemini": lambda name: GoogleModel(name, provider=google),
        }
        encrypted: Any = {"openai_reasoning_summary": "detailed", "openai_include_encrypted_reasoning": True}
        self.thinking: dict[str, Any] = {
            "chat": {"openai_reasoning_effort": "high"},
            "responses": {"openai_reasoning_effort": "high", **encrypted},
            "messages": {"anthropic_thinking": {"type": "adaptive", "display": "summarized"}},
            "gemini": {"google_thinking_config": {"include_thoughts": True}},
        }

    async def whole(self, client: str, name: str) -> Any:
        return (await Agent(self.models[client](name), tools=TOOLS).run(QUESTION)).output

    async def streamed(self, client: str, name: str) -> Any:
        async with Agent(self.models[client](name), tools=TOOLS).run_stream(QUESTION) as run:
            return [piece async for piece in run.stream_text(delta=True, debounce_by=None)]

    async def handed_over(self, client: str, names: list[str]) -> Any:
        """One conversation over several models, each of which gets what those before it thought."""
        history: Any = None
        said = []
        for name in names:
            agent = Agent(self.models[client](name), tools=TOOLS, model_settings=self.thinking[client])
            async with agent.run_stream(QUESTION, message_history=history) as run:
                said.append("".join([piece async for piece in run.stream_text(delta=True)]))
            history = run.all_messages()
        thoughts = [part.content for one in history for part in one.parts if part.part_kind == "thinking"]
        return [said, [thought for thought in thoughts if thought]]

    async def structured(self, client: str, name: str) -> Any:
        # It takes no schema to Anthropic's protocol unless it knows the model by name.
        kinds = (City,) if client == "messages" else (City, NativeOutput(City))
        found = [await Agent(self.models[client](name), output_type=kind).run("Paris") for kind in kinds]
        return [run.output.model_dump() for run in found]


class LangChain:
    """Over all four."""

    clients = CLIENTS

    def __init__(self) -> None:
        openai: Any = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}
        vendor: Any = {"base_url": URL, "api_key": KEY, "max_retries": 0}
        # Its model for Google asks for a temperature of 0.7 unless told otherwise, which not every model takes.
        self.models: dict[str, Any] = {
            "chat": lambda name, **more: ChatOpenAI(model=name, **openai, **more),
            "responses": lambda name, **more: ChatOpenAI(model=name, use_responses_api=True, **openai, **more),
            "messages": lambda name, **more: ChatAnthropic(model=name, **vendor, **more),
            "gemini": lambda name, **more: ChatGoogleGenerativeAI(model=name, temperature=None, **vendor, **more),
        }
        encrypted = {"include": ["reasoning.encrypted_content"], "store": False}
        self.thinking: dict[str, Any] = {
            "chat": {"reasoning_effort": "high"},
            "responses": {"reasoning": {"effort": "high", "summary": "auto"}, **encrypted},
            "messages": {"thinking": {"type": "adaptive", "display": "summarized"}, "max_tokens": 4096},
            "gemini": {"include_thoughts": True},
        }
        self.asked: Any = {"messages": [{"role": "user", "content": QUESTION}]}

    def agent(self, client: str, name: str, **more: Any) -> Any:
        return create_agent(self.models[client](name, **more), [tool(one) for one in TOOLS])

    async def whole(self, client: str, name: str) -> Any:
        return (await self.agent(client, name).ainvoke(self.asked))["messages"][-1].text

    async def streamed(self, client: str, name: str) -> Any:
        stream = self.agent(client, name).astream(self.asked, stream_mode="messages")
        return [piece.text async for piece, _ in stream if piece.type == "AIMessageChunk" and piece.text]

    async def handed_over(self, client: str, names: list[str]) -> Any:
        """See `PydanticAI`. Its model for Chat knows no thoughts."""
        history: list[Any] = []
        said = []
        for name in names:
            agent = self.agent(client, name, **self.thinking[client])
            asked = {"messages": [*history, *self.asked["messages"]]}
            async for _, state in agent.astream(asked, stream_mode=["messages", "values"]):
                history = state["messages"] if isinstance(state, dict) else history
            said.append(history[-1].text)
        blocks = [block for one in history if one.type == "ai" for block in one.content_blocks]
        thoughts = [block.get("reasoning") for block in blocks if block["type"] == "reasoning"]
        return [said, [thought for thought in thoughts if thought]]

    async def structured(self, client: str, name: str) -> Any:
        model = self.models[client](name)
        found = [
            await model.with_structured_output(City, method=method).ainvoke("Paris")
            for method in ("function_calling", "json_schema")
        ]
        return [one.model_dump() for one in found]


class OpenAIAgents:
    """Over OpenAI's two."""

    clients = CLIENTS[:2]

    def __init__(self) -> None:
        agents.set_tracing_disabled(True)
        openai = AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
        self.models: dict[str, Any] = {
            "chat": lambda name: agents.OpenAIChatCompletionsModel(name, openai),
            "responses": lambda name: agents.OpenAIResponsesModel(name, openai),
        }

    def agent(self, client: str, name: str) -> Any:
        return agents.Agent(
            name="tester", model=self.models[client](name), tools=[agents.function_tool(one) for one in TOOLS]
        )

    async def whole(self, client: str, name: str) -> Any:
        return (await agents.Runner.run(self.agent(client, name), QUESTION)).final_output

    async def streamed(self, client: str, name: str) -> Any:
        run = agents.Runner.run_streamed(self.agent(client, name), QUESTION)
        events = [event.data async for event in run.stream_events() if event.type == "raw_response_event"]
        return [event.delta for event in events if event.type == "response.output_text.delta"]

    async def structured(self, client: str, name: str) -> Any:
        agent = agents.Agent(name="tester", model=self.models[client](name), output_type=City)
        return [(await agents.Runner.run(agent, "Paris")).final_output.model_dump()]


FRAMEWORKS = {"pydantic-ai": PydanticAI, "langchain": LangChain, "openai-agents": OpenAIAgents}


async def outcome(asked: Any) -> Any:
    """What came of it."""
    try:
        return {"value": await asked}
    except Exception:
        return {"thrown": traceback.format_exc()}


async def main(upstreams: list[str]) -> dict[str, Any]:
    """All of each framework, by the name of the framework, client, upstream, model and scenario."""
    found: dict[str, Any] = {}
    for framework, kind in FRAMEWORKS.items():
        made = kind()
        for client in made.clients:
            if hasattr(made, "handed_over"):
                names = [f"{upstream}/thinker" for upstream in (*upstreams, *reversed(upstreams))]
                found[f"{framework} {client} handed over"] = await outcome(made.handed_over(client, names))
            for upstream in upstreams:
                path = f"{framework} {client} {upstream}"
                for model in ("chat", "thinker"):
                    name = f"{upstream}/{model}"
                    found[f"{path} {model} whole"] = await outcome(made.whole(client, name))
                    found[f"{path} {model} streamed"] = await outcome(made.streamed(client, name))
                found[f"{path} chat structured"] = await outcome(made.structured(client, f"{upstream}/chat"))
    return found


print(json.dumps(asyncio.run(main(sys.argv[1:]))))
