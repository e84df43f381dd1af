"""The estimate for a chat request: its text by `text`, its media by `media`, and what its form costs.

| what                             | tokens                                                              |
|----------------------------------|---------------------------------------------------------------------|
| every request                    | 8, and 32 when it asks for reasoning                                |
| every turn                       | 4, and its name                                                     |
| a tool call or a tool's result   | 8, and its id, name and content                                     |
| any tools at all                 | 550, about what Claude is told of them                              |
| every tool                       | 8, and its name, description and schema                             |
| every tool that a provider runs  | 2,000, about what Claude is told of a search, and its JSON          |
| an output format                 | 100, and its name, description and schema                           |
| reasoning in the history         | its text, or if that is more, 1 per 4 characters of its sealed form |

Whatever is added to a request, the estimate never falls.
"""

from nexusflow.ir.chat import (
    ChatCall,
    Document,
    HostedTool,
    Media,
    Opaque,
    OutputFormat,
    Part,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from nexusflow.tokens import media
from nexusflow.tokens.text import UNIT, tokens, weigh

REQUEST = 8 * UNIT
REASONING = 32 * UNIT
TURN = 4 * UNIT
CALL = 8 * UNIT
TOOLS = 550 * UNIT
TOOL = 8 * UNIT
HOSTED_TOOL = 2_000 * UNIT
FORMAT = 100 * UNIT
_SEALED_CHARACTER = UNIT // 4


def estimate(call: ChatCall) -> int:
    """How many input tokens the request may come to."""
    weight = REQUEST + (TOOLS if call.tools else 0) + _format(call.format)
    if call.reasoning.effort not in (None, "none") or call.reasoning.budget:
        weight += REASONING
    for turn in call.turns:
        weight += TURN + weigh(turn.name or "") + sum([_part(part) for part in turn.parts])
    return tokens(weight + sum([_tool(tool) for tool in call.tools]))


def _part(part: Part) -> int:
    match part:
        case Text() | Refusal():
            return weigh(part.text)
        case ToolCall():
            return CALL + weigh(part.id) + weigh(part.name) + weigh(part.arguments)
        case ToolResult():
            return CALL + weigh(part.call_id) + sum([_part(one) for one in part.content])
        case Thinking():
            return max(weigh(part.text), _sealed(part.signature))
        case Media():
            return media.weigh(part) * UNIT + _texts(part.name, part.context, part.transcript)
        case Document():
            return weigh(part.text) + _texts(part.title, part.source, part.context)
        case _:
            return weigh(bytes(part.raw))


def _sealed(state: Opaque | None) -> int:
    return len(state.payload) * _SEALED_CHARACTER if state is not None else 0


def _tool(tool: Tool | HostedTool) -> int:
    if isinstance(tool, HostedTool):
        return HOSTED_TOOL + weigh(bytes(tool.raw))
    schemas = bytes(tool.parameters or b"") + bytes(tool.format or b"")
    return TOOL + weigh(tool.name) + _texts(tool.description) + weigh(schemas)


def _format(wanted: OutputFormat | None) -> int:
    if wanted is None or wanted.kind == "text":
        return 0
    return FORMAT + _texts(wanted.name, wanted.description) + weigh(bytes(wanted.schema or b""))


def _texts(*texts: str | None) -> int:
    return sum([weigh(text) for text in texts if text])
