"""What a request says of its way: the models that may answer it, and the providers it wants (contract 2.11, 2.12)."""

import contextlib
from collections.abc import Callable, Container, Sequence
from typing import Protocol, TypeVar

from msgspec import Raw, Struct

from nexusflow.flow import fallback, preference
from nexusflow.flow.preference import Preference
from nexusflow.flow.served import ByName, ServedModel
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.keys.model import Key
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields


class Asking(Struct):
    """A client's request as received: its caller, its body, and the name of the model it is for."""

    key: Key
    body: bytes
    fields: Fields
    name: Raw | None
    wish: Preference | None = None
    """Which providers it wants."""
    backups: Sequence[str] = ()
    """Names of the models that may stand in for the one it names."""

    def take(self, served: ServedModel, models: ByName, providers: Container[str]) -> None:
        """Take `models` and `provider` out of the body, where they are for us. Raises `RequestRefused`."""
        named = fallback.take(self.fields, models)
        self.wish = preference.take(self.fields, served.lanes, providers)
        if named is not None or self.wish is not None:
            self.body = jsonedit.join(self.fields)
        self.backups = fallback.backups(served.model, named)


class ToModel(Protocol):
    """A request as it goes to one model."""

    @property
    def served(self) -> ServedModel: ...


T = TypeVar("T", bound=ToModel)


def routes(asking: Asking, route: Callable[[Raw | None], T]) -> list[T]:
    """The request to its model, and to those that stand in for it and can take it; `route` makes it fit for one.

    Raises `RequestRefused`.
    """
    try:
        found = [route(asking.name)]
    except RequestRefused as refused:
        if not asking.backups or refused.problem.kind is not Kind.UNAVAILABLE:
            raise
        found, problem = [], refused
    for name in asking.backups:
        # One that does not take this request, or that this key may not call, cannot stand in.
        with contextlib.suppress(RequestRefused):
            other = route(jsonedit.text(name))
            if asking.key.scopes.allows_model(other.served.model.id):
                found.append(other)
    if not found:
        raise problem
    return found
