"""Where a caller wrote a part, in the spelling of the caller's protocol (contract 3 row 10).

Writers for providers meet parts in another order and in turns that were put together, so a part is told by its
identity, and its place is only looked for when there is something to say about it.
"""

from nexusflow.ir.chat import ChatCall, Data, FileRef, Media, Part, Thinking, ToolCall, ToolResult, Turn

_CHAT_MEMBERS = {"image": "image_url.url", "audio": "input_audio.data", "video": "video_url.url"}


class Places:
    """The places of one call."""

    __slots__ = ("_call",)

    def __init__(self, call: ChatCall) -> None:
        self._call = call

    def of(self, part: Part) -> str:
        """The path of a part; empty for one that the call has not."""
        for turn in self._call.turns:
            for at, one in enumerate(turn.parts):
                if one is part or (_answer(one) is not None and _answer(one) == _answer(part)):
                    return self._outer(turn, at)
                if isinstance(one, ToolResult):
                    for n, inner in enumerate(one.content):
                        if inner is part:
                            return self._inner(self._outer(turn, at), n)
        return ""

    def media(self, part: Media) -> str:
        """The path of the member that holds or names the bytes."""
        return f"{self.of(part)}.{self._member(part)}"

    def detail(self, part: Media) -> str:
        """The path of what says how closely an image is to be looked at."""
        match self._call.origin:
            case "openai/chat-completions":
                return f"{self.of(part)}.image_url.detail"
            case "google/generate-content":
                return f"{self.of(part)}.mediaResolution"
        return f"{self.of(part)}.detail"

    def arguments(self, part: ToolCall) -> str:
        """The path of a call's arguments."""
        match self._call.origin:
            case "openai/chat-completions":
                return f"{self.of(part)}.{'custom.input' if part.custom else 'function.arguments'}"
            case "anthropic/messages":
                return f"{self.of(part)}.input"
            case "google/generate-content":
                return f"{self.of(part)}.functionCall.args"
        return self.of(part)

    def _outer(self, turn: Turn, at: int) -> str:
        """A part of a turn. What the reader put together from several members or items is only known by its turn."""
        part = turn.parts[at]
        match self._call.origin:
            case "anthropic/messages":
                return f"{turn.path}.content[{at}]"
            case "google/generate-content":
                return f"{turn.path}.parts[{at}]"
            case "openai/responses":
                if isinstance(part, ToolResult):
                    return _later(turn.path, at)
                return turn.path if turn.role == "assistant" else f"{turn.path}.content[{at}]"
        before = turn.parts[:at]
        if isinstance(part, ToolResult):
            return turn.path
        if isinstance(part, ToolCall):
            return f"{turn.path}.tool_calls[{sum(isinstance(one, ToolCall) for one in before)}]"
        return f"{turn.path}.content[{sum(not isinstance(one, ToolCall | Thinking) for one in before)}]"

    def _inner(self, path: str, at: int) -> str:
        """A part of a tool's result. Google's come after the response itself, which is text."""
        match self._call.origin:
            case "openai/responses":
                return f"{path}.output[{at}]"
            case "google/generate-content":
                return f"{path}.functionResponse.parts[{at - 1}]" if at else f"{path}.functionResponse.response"
        return f"{path}.content[{at}]"

    def _member(self, part: Media) -> str:
        source = part.source
        match self._call.origin:
            case "anthropic/messages":
                return "source"
            case "google/generate-content":
                return "inlineData" if isinstance(source, Data) else "fileData"
            case "openai/responses":
                if isinstance(source, FileRef):
                    return "file_id"
                if part.kind == "file":
                    return "file_data" if isinstance(source, Data) else "file_url"
                return "image_url" if part.kind == "image" else "input_audio.data"
        if part.kind == "file":
            return "file.file_id" if isinstance(source, FileRef) else "file.file_data"
        return _CHAT_MEMBERS[part.kind]


def _answer(part: Part) -> str | None:
    """Whose result a part is: results are named on the way, and then are other objects."""
    return part.call_id if isinstance(part, ToolResult) else None


def _later(path: str, at: int) -> str:
    """The item that stands `at` items behind the one at `path`."""
    head, bracket, number = path.removesuffix("]").rpartition("[")
    return f"{head}[{int(number) + at}]" if bracket and number.isdigit() else path
