"""`manifest.json`: what an artifact consists of, and its one digest."""

import hashlib

import msgspec

from nexusflow.ir.plan import ABI, Plan

FILE = "manifest.json"


def sha256(data: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def emit(plan: Plan, generator: str, files: dict[str, bytes]) -> bytes:
    """The manifest of `files`. The digest covers the ABI, the generator, the plan and every file."""
    covered = {
        "abi": ABI,
        "generator": generator,
        "plan": sha256(plan.canonical()),
        "files": {name: sha256(data) for name, data in sorted(files.items())},
    }
    digest = hashlib.sha256(msgspec.json.encode(covered, order="deterministic")).hexdigest()
    references = [provider.credential for provider in plan.providers if provider.credential is not None]
    requires = {
        "env": sorted({reference.name for reference in references if reference.source == "env"}),
        "file": sorted({reference.name for reference in references if reference.source == "file"}),
    }
    document = {**covered, "digest": digest, "requires": requires}
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"


def digest(files: dict[str, bytes]) -> str:
    """The digest that the manifest among `files` states."""
    stated: str = msgspec.json.decode(files[FILE])["digest"]
    return stated
