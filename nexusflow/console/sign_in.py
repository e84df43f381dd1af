"""Signing in with an operator's token, and out again."""

from litestar import Controller, Response, get, post

from nexusflow.console.desk import Asked, Console
from nexusflow.console.render import page
from nexusflow.console.session import SIGN_IN, new_cookie
from nexusflow.operators import Operator, OperatorTable, SessionTable
from nexusflow.operators.sessions import LONGEST_MS


class SignIn(Controller):
    """For everybody; all other pages are for those who did."""

    path = "/"

    @get("/sign-in")
    async def form(self) -> Response[str]:
        """Where the token is asked for."""
        return page("sign_in.html", None, wrong=False)

    @post("/sign-in", status_code=200)
    async def enter(self, request: Asked, desk: Console) -> Response[str]:
        """Begin a session."""
        token = str((await request.form()).get("token", "")).strip()

        def opened(sessions: SessionTable, operators: OperatorTable) -> str | None:
            found = operators.by_token(token)
            return None if found is None else sessions.open(found)

        secret = await desk.sessions(opened)
        if secret is None:
            return page("sign_in.html", None, status=403, wrong=True)
        gone = Response("", status_code=303, headers={"location": "/console/"})
        gone.headers["set-cookie"] = new_cookie(secret, request.url.scheme == "https", LONGEST_MS // 1000)
        return gone

    @post("/sign-out", status_code=303)
    async def leave(self, request: Asked, desk: Console, who: Operator | None, secret: str | None) -> Response[str]:
        """End the session, here and in the database."""
        if secret is not None:
            ended = secret
            await desk.sessions(lambda sessions, _: sessions.close(ended))
        gone = Response("", status_code=303, headers={"location": SIGN_IN})
        gone.headers["set-cookie"] = new_cookie("", request.url.scheme == "https", 0)
        return gone
