"""From the plan's words to an open engine."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nexusflow.ir.plan import CountersAt, CredentialRef
from nexusflow.ir.secret import Secret, read_secret
from nexusflow.limits.engine import Engine
from nexusflow.limits.memory import MemoryEngine
from nexusflow.store import DatabaseUnreachable


def open_engine(at: CountersAt, root: Path, environ: Mapping[str, str] = os.environ) -> Engine:
    """The engine that `at` names; relative paths are meant from `root`.

    Raises StoreError where its file cannot be used or its address is missing or none of Redis. A Redis that does not
    answer is no reason to stay down: the guard around the engine sees to that (S-01).
    """
    if at.kind == "memory":
        return MemoryEngine()
    # Each costs time and memory that users of another engine need not pay.
    if at.kind == "sqlite":
        from nexusflow.limits.sqlite import SqliteEngine

        return SqliteEngine(root / at.path)
    from nexusflow.limits.redis import RedisEngine

    try:
        return RedisEngine(_address(at.url, root, environ), at.prefix.rstrip(":"))
    except ValueError as error:
        raise DatabaseUnreachable(
            f"The address of the limits' Redis is none: {error}.",
            "Let it be a URL such as rediss://:password@host:6379/0.",
        ) from error


def _address(reference: CredentialRef | None, root: Path, environ: Mapping[str, str]) -> Secret:
    if reference is not None and reference.source == "file":
        reference = msgspec.structs.replace(reference, name=str(root / reference.name))
    url = read_secret(reference, environ) if reference is not None else None
    if url is None:
        where = "`stores.limits.url`" if reference is None else f"{reference.source} {reference.name}"
        raise DatabaseUnreachable(
            f"The address of the limits' Redis ({where}) is missing or empty.",
            "Let it be a URL such as redis://host:6379/0.",
        )
    return url
