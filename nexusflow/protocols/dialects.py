"""The chat protocols by name. A new one is a folder of its own and an entry here."""

from nexusflow.ir.chat import Origin
from nexusflow.protocols.anthropic.dialect import MESSAGES
from nexusflow.protocols.dialect import Dialect
from nexusflow.protocols.gemini.dialect import GEMINI
from nexusflow.protocols.openai_chat.dialect import CHAT
from nexusflow.protocols.openai_responses.dialect import RESPONSES

DIALECTS: dict[Origin, Dialect] = {one.id: one for one in (CHAT, RESPONSES, MESSAGES, GEMINI)}
