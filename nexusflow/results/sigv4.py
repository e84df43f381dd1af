"""Signatures of requests to S3: AWS Signature Version 4, in a header or in the query of a link.

Facts from the S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from msgspec import Struct

from nexusflow.ir.secret import Secret

EMPTY = hashlib.sha256(b"").hexdigest()
MAX_PRESIGNED_S = 604_800
"""The longest that a link may hold: seven days."""
_UNSIGNED = "UNSIGNED-PAYLOAD"
_ALGORITHM = "AWS4-HMAC-SHA256"

Query = Sequence[tuple[str, str]]


class Signer(Struct, frozen=True):
    """Who signs, and for which region."""

    access_key: str
    secret_key: Secret
    region: str

    def headers(
        self, method: str, url: str, at_s: float, body_sha256: str = EMPTY, extra: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The headers of a request to `url`, whose path and query are encoded as `encoded` does, `extra` included.

        `host` is signed but left out, since the client writes it itself. `at_s` in seconds since 1970.
        """
        parts = urlsplit(url)
        time = _time(at_s)
        sent = {**(extra or {}), "x-amz-content-sha256": body_sha256, "x-amz-date": time}
        lines = {**sent, "host": parts.netloc}
        names = ";".join(sorted(lines))
        request = _canonical(method, parts.path, parts.query, lines, names, body_sha256)
        authorization = (
            f"{_ALGORITHM} Credential={self.access_key}/{self._scope(time)}, "
            f"SignedHeaders={names}, Signature={self._signature(time, request)}"
        )
        return {**sent, "authorization": authorization}

    def presigned(self, url: str, at_s: float, seconds: int) -> str:
        """A link to GET `url`, which has no query, for so many seconds from `at_s` on."""
        parts = urlsplit(url)
        time = _time(at_s)
        query = encoded(
            [
                ("X-Amz-Algorithm", _ALGORITHM),
                ("X-Amz-Credential", f"{self.access_key}/{self._scope(time)}"),
                ("X-Amz-Date", time),
                ("X-Amz-Expires", str(max(1, min(seconds, MAX_PRESIGNED_S)))),
                ("X-Amz-SignedHeaders", "host"),
            ]
        )
        request = _canonical("GET", parts.path, query, {"host": parts.netloc}, "host", _UNSIGNED)
        return f"{url}?{query}&X-Amz-Signature={self._signature(time, request)}"

    def _scope(self, time: str) -> str:
        return f"{time[:8]}/{self.region}/s3/aws4_request"

    def _signature(self, time: str, request: str) -> str:
        key = b"AWS4" + self.secret_key.reveal().encode()
        for part in (time[:8], self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        digest = hashlib.sha256(request.encode()).hexdigest()
        signed = f"{_ALGORITHM}\n{time}\n{self._scope(time)}\n{digest}"
        return hmac.digest(key, signed.encode(), hashlib.sha256).hex()


def encoded(query: Query) -> str:
    """A query as it must be sent and signed: sorted, every byte but the unreserved ones as %XX."""
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query))


def _canonical(method: str, path: str, query: str, headers: Mapping[str, str], names: str, body_sha256: str) -> str:
    """S3, unlike other services, takes the path as it is sent, encoded once."""
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    return f"{method}\n{path or '/'}\n{query}\n{lines}\n{names}\n{body_sha256}"


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y%m%dT%H%M%SZ")
