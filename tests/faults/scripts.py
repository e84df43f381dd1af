"""What the scripted provider does for each model of the fault suite; the model's public name is `fault/<name>`."""

import gzip
import json
import random
import zlib
from typing import Any

from nexusflow.testing.faulty import END, STREAM_HEAD, Act, Flood, Script, Step, piece, unary
from tests.faults.provider import COMPLETION, DONE, USAGE, delta, event, sse

SECRET_TEXT = "your key sk-live-abcdef123456 at https://internal.example/v1 failed"
"""What a careless provider might say; no part of it may reach a customer."""

HELLO = event(choices=delta("Hello", role="assistant"))
STOP = event(choices=delta(finish="stop"))
USED = event(choices=[], usage=USAGE)
EARLY = {"/early/": unary(b'{"error":{"code":429}}', "429 Too Many Requests", "retry-after: 7")}
REDIRECT = "location: http://127.0.0.1:{port}/elsewhere"

# The same stream as `GOOD`, in every spelling that the WHATWG standard allows and some that it does not (U-13).
PLAIN = (
    sse(choices=delta("Grüße ", role="assistant")) + sse(choices=delta("世界")) + sse(choices=delta(finish="stop"))
).decode()
MULTILINE = PLAIN.replace('"choices"', '\ndata: "choices"')
FRAMINGS: dict[str, list[bytes]] = {
    "crlf": [PLAIN.replace("\n", "\r\n").encode()],
    "cr": [PLAIN.replace("\n", "\r").encode()],
    "bom": [b"\xef\xbb\xbf" + PLAIN.encode()],
    "no-space": [PLAIN.replace("data: ", "data:").encode()],
    "multi-line": [MULTILINE.encode()],
    "byte-by-byte": [bytes([byte]) for byte in PLAIN.encode()],
    "split-in-crlf": [line for part in PLAIN.split("\n") for line in (part.encode() + b"\r", b"\n")],
}
COMMENTS = b": waiting\n\n" * 10_000


def _stream(*parts: Step) -> Script:
    return (STREAM_HEAD, *parts)


def _error(status: str, *headers: str, **error: Any) -> Script:
    body = {"error": {"message": SECRET_TEXT, "type": "x", "param": None, "code": None, **error}}
    return (unary(json.dumps(body).encode(), status, *headers),)


BOMB = gzip.compress(b" " * (96 * 1024 * 1024))


def _modest_bomb() -> bytes:
    """160 MiB at forty to one, a ratio that no honest answer needs to avoid. One packed block, over and over."""
    packer = zlib.compressobj(wbits=31)
    text = b"".join(random.randbytes(20) + b" " * 980 for _ in range(1024))
    header = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
    return header + block * 164


TORRENT = Flood(piece(sse(choices=delta("x" * 4000))))
BIG = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * (9 * 1024 * 1024)

SCRIPTS: dict[str, Script] = {
    # Well-behaved ones.
    "chat": (unary(COMPLETION),),
    "stream": _stream(HELLO, event(choices=delta(" you")), STOP, USED, DONE, END),
    "chatty": (unary(COMPLETION, "200 OK", "set-cookie: a=b", "x-request-id: theirs", "via: x", "connection: close"),),
    # For the client's faults.
    "hang": (Act.HANG,),
    "first-then-hang": _stream(HELLO, Act.HANG),
    "content-then-hang": _stream(HELLO, STOP, Act.HANG),
    "flood": _stream(HELLO, TORRENT),
    "late": (1.0, unary(COMPLETION)),
    "long": _stream(HELLO, *[event(choices=delta("x" * 60_000)) for _ in range(150)], STOP, DONE, END),
    # U-05 to U-10: silence and breaks.
    "u05": (Act.HANG,),
    "u06": (STREAM_HEAD, Act.HANG),
    "u07": _stream(HELLO, Act.HANG),
    "u08": _stream(HELLO, END),
    "u08-close": (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + sse(choices=delta("Hi")), Act.CLOSE),
    "u09": _stream(HELLO, STOP, USED, END),
    "u10": _stream(HELLO, piece(sse(choices=delta("never seen whole"))[:40]), Act.RESET),
    "u10-unary": (unary(COMPLETION)[:-20], Act.CLOSE),
    # U-11 to U-19: nonsense.
    "u11": (unary(COMPLETION[:-10]),),
    "u11-shape": (unary(b'{"hello": "there"}'),),
    "u12-before": _stream(piece(b'data: {"choices": [\n\n'), END),
    "u12-after": _stream(HELLO, piece(b'data: {"choices": [half\n\n'), STOP, DONE, END),
    "u14": _stream(HELLO, piece(BIG), Act.HANG),
    "u15": (unary(b"<html>sign in</html>", "200 OK", "content-type: text/html"),),
    "u16-rate": (unary(json.dumps({"error": {"message": SECRET_TEXT, "code": 429}}).encode()),),
    "u16-overloaded": (unary(json.dumps({"error": {"type": "overloaded_error", "message": SECRET_TEXT}}).encode()),),
    "u17": _stream(event(error={"type": "overloaded_error", "message": SECRET_TEXT}), END),
    "u18": _stream(HELLO, event(error={"type": "server_error", "message": SECRET_TEXT}), END),
    "u19-bomb": (unary(BOMB, "200 OK", "content-encoding: gzip"),),
    "u19-modest-bomb": (unary(_modest_bomb(), "200 OK", "content-encoding: gzip"),),
    "u19-endless": (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", TORRENT),
    # U-20 to U-26: refusals.
    "u20": _error("429 Too Many Requests", "retry-after: 30"),
    "u21-date": _error("429 Too Many Requests", "retry-after: Wed, 21 Oct 2099 07:28:00 GMT"),
    "u21-negative": _error("429 Too Many Requests", "retry-after: -5"),
    "u21-huge": _error("429 Too Many Requests", "retry-after: 1000000000"),
    "u21-garbage": _error("429 Too Many Requests", "retry-after: soon"),
    "u22-503": _error("503 Service Unavailable"),
    "u22-529": _error("529 Overloaded"),
    "u23-500": _error("500 Internal Server Error"),
    "u23-502": (unary(b"<html>bad gateway</html>", "502 Bad Gateway", "content-type: text/html"),),
    "u23-504": _error("504 Gateway Timeout"),
    "u24-401": _error("401 Unauthorized", code="invalid_api_key", type="invalid_request_error"),
    "u24-403": _error("403 Forbidden"),
    "u25": _error("404 Not Found", code="model_not_found"),
    "u26-context": _error(
        "400 Bad Request", code="context_length_exceeded", message="This model's maximum context length is 8 tokens."
    ),
    "u26-policy": _error("400 Bad Request", code="content_policy_violation", message="The prompt was rejected."),
    "u26-secret": _error("400 Bad Request", param="messages", type="invalid_request_error"),
    # U-27 to U-29: the connection.
    "u27": (unary(COMPLETION), Act.CLOSE),
    "u27-late": (Act.NOT_AGAIN, unary(COMPLETION)),
    "u28-1xx": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", unary(COMPLETION)),
    "u29-301": (unary(b"", "301 Moved Permanently", REDIRECT),),
    "u29-302": (unary(b"", "302 Found", REDIRECT),),
    "u29-307": (unary(b"", "307 Temporary Redirect", REDIRECT),),
    "u29-308": (unary(b"", "308 Permanent Redirect", REDIRECT),),
    # U-33 to U-35: odd but good.
    "u33": _stream(HELLO, STOP, event(choices=[], usage={"prompt_tokens": 0, "completion_tokens": 0}), DONE, END),
    "u34": _stream(event(choices=delta(role="assistant")), DONE, END),
    "u13-comments": _stream(piece(COMMENTS), HELLO, STOP, DONE, END),
    **{f"u13-{name}": _stream(*map(piece, parts), DONE, END) for name, parts in FRAMINGS.items()},
}

TIMEOUTS: dict[str, dict[str, Any]] = {
    "u05": {"connect_seconds": 0.5, "first_byte_seconds": 0.5, "total_seconds": 0.5},
    "u06": {"connect_seconds": 0.5, "first_byte_seconds": 0.5},
    "u07": {"idle_seconds": 0.5},
    "flood": {"write_stall_seconds": 0.5},
}
