"""The pieces of this folder as one dialect."""

from nexusflow.protocols.anthropic import (
    errors,
    identity_reply,
    identity_request,
    read_reply,
    read_request,
    write_reply,
    write_request,
)
from nexusflow.protocols.anthropic.identity_stream import IdentityStream
from nexusflow.protocols.anthropic.read_stream import StreamReader
from nexusflow.protocols.anthropic.write_stream import KEEP_ALIVE, StreamWriter
from nexusflow.protocols.dialect import Dialect

MESSAGES = Dialect(
    id="anthropic/messages",
    errors=errors,
    identity_request=identity_request,
    identity_reply=identity_reply,
    identity_stream=IdentityStream,
    read_request=read_request,
    write_request=write_request,
    read_reply=read_reply,
    write_reply=write_reply,
    read_stream=StreamReader,
    write_stream=StreamWriter,
    keep_alive=KEEP_ALIVE,
)
