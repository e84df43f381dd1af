"""What only the caller's own protocol knows, told to the caller as lost (protocols 2.0.3)."""

import pytest
from msgspec import Raw

from nexusflow.ir.chat import ChatCall, Ext, HostedTool, Origin, Text, Tool, ToolResult, Turn, Unknown
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common.foreign import report_ext

CHAT: Origin = "openai/chat-completions"
CLAUDE: Origin = "anthropic/messages"
GOOGLE: Origin = "google/generate-content"
ONE: Ext = {"x": Raw(b"1")}


def call(
    origin: Origin = CHAT, *turns: Turn, ext: Ext | None = None, tools: tuple[Tool | HostedTool, ...] = ()
) -> ChatCall:
    return ChatCall(origin=origin, model="m", turns=turns, ext=ext, tools=tools)


def lost(told: ChatCall, target: Origin) -> str:
    losses = Losses()
    report_ext(told, target, losses)
    return losses.header()


def test_T76_every_place_is_named_as_the_caller_wrote_it() -> None:
    unknown, other = (Unknown(origin=CLAUDE, type="server_tool_use", raw=Raw(b"{}")) for _ in range(2))
    result = ToolResult(call_id="a", content=(Text(text="a"), Text(text="b", ext=ONE), unknown), ext=ONE)
    told = call(
        CLAUDE,
        Turn(role="user", parts=(Text(text="a", ext=ONE), result), path="messages[0]"),
        Turn(role="assistant", parts=(other,), path="messages[1]", ext=ONE),
        ext={"context_management": Raw(b'{"edits":[1]}')},
        tools=(
            Tool(name="f", path="tools[0]", ext=ONE),
            HostedTool(origin=CLAUDE, type="t", raw=Raw(b"{}"), path="tools[1]"),
        ),
    )
    assert lost(told, CHAT) == (
        "dropped=context_management,messages[0].content[0].x,messages[0].content[1].x,"
        "messages[0].content[1].content[1].x,messages[0].content[1].content[2],messages[1].x,messages[1].content[0],"
        "tools[0].x"
    )


def test_googles_parts_are_called_so() -> None:
    told = call(GOOGLE, Turn(role="user", parts=(Text(text="a", ext=ONE),), path="contents[0]"))
    assert lost(told, CHAT) == "dropped=contents[0].parts[0].x"


def test_nothing_is_lost_on_the_way_to_its_own_protocol() -> None:
    unknown = Unknown(origin=CLAUDE, type="server_tool_use", raw=Raw(b"{}"))
    told = call(CLAUDE, Turn(role="user", parts=(unknown,), path="messages[0]", ext=ONE), ext={"container": Raw(b"1")})
    assert lost(told, CLAUDE) == ""


@pytest.mark.parametrize("value", [b"null", b"false", b"[]", b"{}", b'""'])
def test_a_value_without_effect_is_no_loss(value: bytes) -> None:
    turn = Turn(role="user", parts=(Text(text="a", ext={"y": Raw(value)}),), path="messages[0]")
    assert lost(call(CHAT, turn, ext={"prediction": Raw(value)}), CLAUDE) == ""
    assert lost(call(CLAUDE, turn, ext={"mcp_servers": Raw(value)}), CHAT) == ""


@pytest.mark.parametrize("name", ["mcp_servers", "container"])
def test_what_a_call_is_not_the_same_without_is_refused(name: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        lost(call(CLAUDE, ext={name: Raw(b'["x"]')}), CHAT)
    assert refused.value.problem.param == name
    assert lost(call(CHAT, ext={name: Raw(b'["x"]')}), CLAUDE) == f"dropped={name}"


def test_a_thread_is_refused_so_that_the_sdk_goes_on_without() -> None:
    with pytest.raises(RequestRefused) as refused:
        lost(call(CLAUDE, ext={"thread": Raw(b'{"type":"create"}')}), CHAT)
    assert (refused.value.problem.param, refused.value.problem.code) == ("thread", "thread_unsupported_request")
