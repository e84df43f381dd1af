"""Keys: a secret is shown once, when it is made."""

import msgspec
from litestar import Controller, get, patch, post
from litestar.params import JSONBody

from nexusflow.admin.key_words import (
    ApiKey,
    ApiKeyList,
    KeyChange,
    NewKey,
    NewSecret,
    Rotation,
    changes_of,
    millis,
    scopes_of,
    shown,
)
from nexusflow.admin.office import Actor, Books, Desk
from nexusflow.admin.problems import CHANGES, FINDS
from nexusflow.admin.words import USUAL, After, ByOrg, Id, Limit, invalid, listed
from nexusflow.keys import Changes, Key, KeyUnknown
from nexusflow.store import Page


class Keys(Controller):
    """The keys of all organisations."""

    path = "/keys"
    tags = ("keys",)

    @get(responses=FINDS)
    async def list_all(self, office: Desk, org: ByOrg = None, limit: Limit = USUAL, after: After = None) -> ApiKeyList:
        """All keys, masked, the oldest first, with those that have ended."""

        def rows(books: Books) -> list[ApiKey]:
            payer = None if org is None else books.accounts.find_organisation(org).id
            uses = books.keys.uses()
            return [shown(key, uses.get(key.id)) for key in books.keys.list(payer, Page(limit + 1, after))]

        return listed(await office.run(rows), limit)

    @post(responses=CHANGES)
    async def create(self, data: JSONBody[NewKey], office: Desk, actor: Actor) -> NewSecret:
        """Make a key. Its `secret` is in this answer and nowhere else."""
        key, secret = await office.run(
            lambda books: books.keys.create(
                data.name,
                millis(data.expires_at),
                org=data.org,
                team=data.team,
                owner=data.owner,
                plan=data.plan,
                rpm=data.rpm,
                priority=data.priority,
                scopes=scopes_of(data.scopes),
                actor=actor,
            )
        )
        return _made(shown(key, None), secret)

    @get("/{id:str}", responses=FINDS)
    async def show(self, id: Id, office: Desk) -> ApiKey:
        """The key with this id."""
        return await office.run(lambda books: _shown(books, _found(books, id)))

    @patch("/{id:str}", responses=CHANGES)
    async def change(self, id: Id, data: JSONBody[KeyChange], office: Desk, actor: Actor) -> ApiKey:
        """Change what a key may do."""
        changes = changes_of(data)
        if changes == Changes():
            raise invalid(None, "Nothing to change was given.")
        return await office.run(
            lambda books: _shown(books, books.keys.update(_found(books, id).id, changes, actor=actor))
        )

    @post("/{id:str}/rotate", status_code=200, responses=CHANGES)
    async def rotate(self, id: Id, data: JSONBody[Rotation], office: Desk, actor: Actor) -> NewSecret:
        """Give a key a new secret, which is in this answer and nowhere else; its id, bounds and records stay."""

        def rotated(books: Books) -> NewSecret:
            key, secret = books.keys.rotate(_found(books, id).id, data.grace_seconds * 1000, actor=actor)
            return _made(_shown(books, key), secret)

        return await office.run(rotated)

    @post("/{id:str}/revoke", status_code=200, responses=CHANGES)
    async def revoke(self, id: Id, office: Desk, actor: Actor) -> ApiKey:
        """End a key with all its secrets at once and for good; or only a former secret, by its own id."""
        return await office.run(lambda books: _shown(books, books.keys.revoke(_found(books, id).id, actor=actor)))


def _found(books: Books, id: str) -> Key:
    """The key with this very id: an address must not hold names or secrets. Raises KeyUnknown."""
    key = books.keys.find(id)
    if key.id != id:
        raise KeyUnknown(f"There is no key with the id {id}.")
    return key


def _shown(books: Books, key: Key) -> ApiKey:
    return shown(key, books.keys.uses().get(key.id))


def _made(key: ApiKey, secret: str) -> NewSecret:
    return NewSecret(**msgspec.structs.asdict(key), secret=secret)
