"""What is stored of a response, and for how long."""

from msgspec import Raw, Struct

DAY_MS = 86_400_000


class Retention(Struct, frozen=True, kw_only=True):
    """How long and how much is kept.

    `days` is the official API's own promise. A key that stores more than `key_bytes` loses its longest unused
    conversation; one response with its context may have `context_bytes`.
    """

    days: int = 30
    key_bytes: int = 1_073_741_824
    context_bytes: int = 67_108_864


class StoredResponse(Struct, frozen=True, kw_only=True):
    """One response: `input` holds the items that were new with it, `body` is the whole object as the client got it.

    `created_ms` is milliseconds since 1970.
    """

    id: str
    key_id: str
    model: str
    previous: str | None
    input: tuple[Raw, ...]
    output: tuple[Raw, ...]
    body: bytes
    created_ms: int

    @property
    def size(self) -> int:
        """What it counts for."""
        return len(self.body) + sum(len(memoryview(item)) for item in (*self.input, *self.output))
