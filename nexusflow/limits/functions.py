"""One Lua text, run as a library of Redis Functions or, by a Redis before 7, as a script."""

import hashlib
import math
from collections.abc import Sequence
from importlib import resources
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError

Command = tuple[str, tuple[str, ...], tuple[str | int, ...]]
"""The function, its keys (all of one hash tag) and its arguments."""

_OPERATIONS = ("reserve", "settle", "renew", "peek")
_TEXT = resources.files("nexusflow.limits").joinpath("functions.lua").read_text("utf-8")
_VERSION = hashlib.sha256(_TEXT.encode()).hexdigest()[:12]
"""Part of every name, so that gateways of two versions can use one Redis while one replaces the other."""

_LIBRARY = f"#!lua name=nexusflow_limits_{_VERSION}\n{_TEXT}\n" + "\n".join(
    f"redis.register_function('nexusflow_{_VERSION}_{operation}', {operation})" for operation in _OPERATIONS
)
_SCRIPT = (
    f"{_TEXT}\nlocal operations = {{{', '.join(f'{name} = {name}' for name in _OPERATIONS)}}}\n"
    "return operations[table.remove(ARGV, 1)](KEYS, ARGV)"
)
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Functions:
    """Calls the library, loading it where the server does not know it. `loaded` counts that."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = False
        self.loaded = 0

    async def run(self, commands: Sequence[Command]) -> list[list[int] | Exception]:
        """The reply of each command, all sent in one round trip. Raises RedisError, OSError."""
        replies = await self._send(commands)
        unknown = [place for place, reply in enumerate(replies) if _is_unknown(reply)]
        if unknown:
            await self._load()
            again = await self._send([commands[place] for place in unknown])
            for place, reply in zip(unknown, again, strict=True):
                replies[place] = reply
        return replies

    async def _send(self, commands: Sequence[Command]) -> list[list[int] | Exception]:
        # A connection of the pool, and not a pipeline: that costs as much again as all the rest.
        pool = self._client.connection_pool
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # its library left it untyped
        try:
            words = [self._words(*command) for command in commands]
            await connection.send_packed_command(connection.pack_commands(words), check_health=False)
            return [await _reply(connection) for _ in commands]
        except BaseException:
            # Replies that nobody read would be taken for those to the next commands.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)

    def _words(self, operation: str, keys: tuple[str, ...], args: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if self._scripts:
            return ("EVALSHA", _SHA, len(keys), *keys, operation, *args)
        return ("FCALL", f"nexusflow_{_VERSION}_{operation}", len(keys), *keys, *args)

    async def _load(self) -> None:
        """Make the functions known. A server without Functions gets the script."""
        self.loaded += 1
        if not self._scripts:
            try:
                await self._client.function_load(_LIBRARY, replace=True)
            except ResponseError as error:
                if "unknown command" not in str(error).lower():
                    raise
                self._scripts = True
        if self._scripts:
            await self._client.script_load(_SCRIPT)


async def _reply(connection: AbstractConnection) -> list[int] | Exception:
    try:
        return cast(list[int], await connection.read_response(timeout=math.inf))
    except ResponseError as error:
        return error


def _is_unknown(reply: list[int] | Exception) -> bool:
    """Whether the server refused for not knowing the function, or not knowing Functions at all."""
    if isinstance(reply, NoScriptError):
        return True
    text = str(reply).lower() if isinstance(reply, RedisError) else ""
    return "function not found" in text or "unknown command" in text
