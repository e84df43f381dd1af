"""What a request asks for that decides how much money is set aside for it, whatever its protocol."""

from typing import NamedTuple


class Demand(NamedTuple):
    """`max_output` tokens of each of `answers`, as the caller bounds them; None where it does not.

    `media` counts pictures and files; `user` is the caller's own name for its end user, if it gives one.
    """

    max_output: int | None
    answers: int = 1
    media: int = 0
    user: str | None = None
