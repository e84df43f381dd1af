"""The cookie that says who is signed in, and the names under which the door hands on what it found."""

from http.cookies import CookieError, SimpleCookie

ROOT = "/console"
SIGN_IN = f"{ROOT}/sign-in"
DESK, OPERATOR, SECRET = "desk", "who", "secret"
_PLAIN, _SECURE = "nexusflow_console", "__Host-nexusflow_console"
"""Names of the cookie: browsers keep the second from whoever is not this very host over https."""


def cookie_of(header: str) -> str | None:
    """The session's secret in a `Cookie` header."""
    try:
        found = SimpleCookie(header)
    except CookieError:
        return None
    morsel = found.get(_SECURE) or found.get(_PLAIN)
    return morsel.value if morsel is not None else None


def new_cookie(secret: str, https: bool, seconds: int) -> str:
    """One for browsers alone, that no other site makes them send; over https, that no other host can set."""
    name, more = (_SECURE, "; Secure") if https else (_PLAIN, "")
    return f"{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{more}"
