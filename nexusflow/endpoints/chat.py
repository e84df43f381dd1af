"""`POST /v1/chat/completions`."""

from nexusflow.endpoints.conversation import Conversation, Routed
from nexusflow.flow import apis
from nexusflow.flow.served import RESPONSES
from nexusflow.ir.chat import Origin
from nexusflow.protocols.dialect import Tap
from nexusflow.protocols.openai_chat.dialect import CHAT
from nexusflow.protocols.openai_chat.identity_stream import IdentityStream


class OpenAIChat(Conversation):
    """The chat surface of one artifact."""

    dialect = CHAT
    endpoint = "chat"
    paths = frozenset((b"/v1/chat/completions", b"/chat/completions", b"/v1beta/openai/chat/completions"))

    def upstream_of(self, routed: Routed) -> Origin:
        """Function tools of a model that reasons go to the Responses interface, where OpenAI wants them (T101)."""
        if apis.undecided(routed.lane) and apis.chat_needs_responses(routed.wanted):
            return RESPONSES
        return super().upstream_of(routed)

    def tap(self, routed: Routed) -> Tap:
        """The usage event that only we asked for stays with us."""
        options = routed.wanted.stream_options
        asked = options is not None and bool(options.include_usage)
        hide = routed.lane.provider.stream_usage == "option" and not asked
        return IdentityStream(routed.served.raw_id, hide_usage=hide)
