"""Results in a bucket that speaks the S3 protocol. Clients read them there, by links that the bucket checks."""

import asyncio
import html
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from urllib.parse import quote, urlsplit

from nexusflow.results.names import check, is_name, mime_of
from nexusflow.results.results import ResultsError, Stored
from nexusflow.results.sigv4 import EMPTY, Query, Signer, encoded
from nexusflow.results.spool import Spool
from nexusflow.upstream.exchange import BROKEN, Exchange
from nexusflow.upstream.transport import target

MAX_BYTES = 5 * 1024**3
"""The most that one PUT may carry (S3 API reference, PutObject)."""
_ATTEMPTS = 4
_FIRST_WAIT_S = 0.2
_IDLE_S = 30.0
_SLOWEST = 256 * 1024
"""Bytes a second below which an upload is given up."""
_MAX_PAGE = 8 * 1024 * 1024
_MAX_TOLD = 64 * 1024
_PASSING = frozenset((408, 429, 500, 502, 503, 504))

Send = Callable[[], AsyncIterator[bytes]]


class S3Results:
    """See `Results`. `base` is the address of the bucket, `prefix` begins every object's name.

    What fails for the moment is tried four times. Each request has a connection of its own: they are large and rare.
    """

    def __init__(
        self, base: str, prefix: str, signer: Signer, *, clock: Callable[[], float] = time.time, idle_s: float = _IDLE_S
    ) -> None:
        self._base = base
        self._prefix = prefix
        self._signer = signer
        self._clock = clock
        self._idle_s = idle_s
        self._tls = ssl.create_default_context() if base.startswith("https:") else None

    async def put(self, name: str, pieces: AsyncIterator[bytes], mime: str) -> int:
        """See `Results.put`. An object is whole or not there: S3 knows its length and digest before its bytes."""
        check(name, mime)
        spool = Spool()
        try:
            await spool.fill(pieces, MAX_BYTES)
            headers = {"content-type": mime_of(name), "content-length": str(spool.size)}
            seconds = self._idle_s + spool.size / _SLOWEST
            exchange = await self._ask("PUT", self._address(name), spool.sha256, headers, spool.pieces, seconds)
            exchange.close()
            if exchange.status == 404:
                raise ResultsError("there is no such bucket for results")
            return spool.size
        finally:
            spool.close()

    async def open(self, name: str) -> Stored | None:
        """See `Results.open`."""
        exchange = await self._ask("GET", self._address(name))
        if exchange.status != 200 or exchange.length is None:
            exchange.close()
            if exchange.status == 404:
                return None
            raise ResultsError(f"the bucket answers with status {exchange.status} and no length")
        return Stored(mime_of(name), exchange.length, _Body(exchange, self._idle_s))

    async def delete(self, name: str) -> None:
        """See `Results.delete`."""
        (await self._ask("DELETE", self._address(name))).close()

    async def expire(self, before_ms: int) -> int:
        """See `Results.expire`. Objects that are no results of ours stay, whatever their age."""
        count, more = 0, ""
        while True:
            page = await self._page(more)
            for key, stored in _OBJECT.findall(page):
                name = key.removeprefix(self._prefix)
                if is_name(name) and datetime.fromisoformat(stored).timestamp() * 1000 < before_ms:
                    await self.delete(name)
                    count += 1
            found = _MORE.search(page)
            if found is None:
                return count
            more = html.unescape(found[1])

    def url(self, name: str, expires_ms: int, base: str) -> str:
        """See `Results.url`: a link into the bucket, for seven days at most. The gateway has no part in it."""
        now = self._clock()
        return self._signer.presigned(self._address(name), now, int(expires_ms / 1000 - now))

    async def close(self) -> None:
        """Nothing is held open."""

    def _address(self, name: str) -> str:
        if not is_name(name):
            raise ValueError(f"not the name of a result: {name[:80]!r}")
        return f"{self._base}/{quote(self._prefix + name, safe='/-_.~')}"

    async def _page(self, more: str) -> str:
        """One page of the list of objects, as XML."""
        query: Query = [("list-type", "2"), ("prefix", f"{self._prefix}task_")]
        if more:
            query = [*query, ("continuation-token", more)]
        exchange = await self._ask("GET", f"{self._base}/?{encoded(query)}")
        page = bytearray()
        async with aclosing(_Body(exchange, self._idle_s)) as pieces:
            async for piece in pieces:
                page += piece
                if len(page) > _MAX_PAGE:
                    raise ResultsError("the list of objects is too large")
        if exchange.status != 200:
            raise ResultsError(f"the bucket cannot be listed: status {exchange.status}")
        return page.decode()

    async def _ask(
        self,
        method: str,
        url: str,
        sha256: str = EMPTY,
        headers: dict[str, str] | None = None,
        body: Send | None = None,
        seconds: float | None = None,
    ) -> Exchange:
        """The answer of the bucket: a success or a 404.

        Raises `ResultsError`, after four attempts where the failure may pass.
        """
        wait, problem = _FIRST_WAIT_S, ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  # spreading load
                wait *= 4
            try:
                async with asyncio.timeout(seconds or self._idle_s):
                    exchange = await self._once(method, url, sha256, headers, body)
            except BROKEN as error:
                problem = repr(error)
                continue
            if exchange.status < 300 or exchange.status == 404:
                return exchange
            problem = await self._told(exchange)
            if exchange.status not in _PASSING:
                break
        raise ResultsError(f"{method} to the bucket of results failed: {problem}")

    async def _once(
        self, method: str, url: str, sha256: str, headers: dict[str, str] | None, body: Send | None
    ) -> Exchange:
        signed = self._signer.headers(method, url, self._clock(), sha256, headers)
        to = target(url, {**signed, "user-agent": "nexusflow", "accept-encoding": "identity"}, method)
        tls = self._tls
        streams = await asyncio.open_connection(to.host, to.port, ssl=tls, server_hostname=to.host if tls else None)
        exchange = Exchange(*streams)
        try:
            await exchange.ask(to, body() if body is not None else b"")
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def _told(self, exchange: Exchange) -> str:
        """Status and S3's own code for the problem, for the operator."""
        text = b""
        async with aclosing(_Body(exchange, self._idle_s)) as pieces:
            try:
                async for piece in pieces:
                    text += piece
                    if len(text) > _MAX_TOLD:
                        break
            except ResultsError:
                text = b""
        code = re.search(rb"<Code>([A-Za-z0-9]{1,64})</Code>", text)
        return f"status {exchange.status}" + (f", {code[1].decode()}" if code else "")


class _Body:
    """The body of an answer, each piece within the time that the bucket may be silent. See `Pieces`.

    No generator: one that was never begun could not close the connection.
    """

    def __init__(self, exchange: Exchange, idle_s: float) -> None:
        self._exchange = exchange
        self._pieces = exchange.pieces()
        self._idle_s = idle_s

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle_s):
                return await anext(self._pieces)
        except BROKEN as error:
            self._exchange.close()
            raise ResultsError(f"the bucket broke off: {error!r}") from error
        except BaseException:
            self._exchange.close()
            raise

    async def aclose(self) -> None:
        self._exchange.close()
        await self._pieces.aclose()


# The names of our objects hold nothing that XML escapes, so no parser is let loose on what a server sends.
_OBJECT = re.compile(
    r"<Contents>(?:(?!</Contents>).)*?<Key>([^<]{1,1024})</Key>(?:(?!</Contents>).)*?"
    r"<LastModified>([0-9T:.+-]{10,32}Z?)</LastModified>",
    re.DOTALL,
)
_MORE = re.compile(r"<NextContinuationToken>([^<]{1,4096})</NextContinuationToken>")


def bucket_url(bucket: str, region: str, endpoint: str | None) -> str:
    """The address of a bucket: below `endpoint`, or at AWS in a host of its own.

    A bucket with a dot in its name stays in the path there, since the certificate covers only one more label.
    """
    if endpoint is not None:
        return f"{urlsplit(endpoint).geturl().rstrip('/')}/{bucket}"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    if "." in bucket:
        return f"https://s3.{region}.{domain}/{bucket}"
    return f"https://{bucket}.s3.{region}.{domain}"
