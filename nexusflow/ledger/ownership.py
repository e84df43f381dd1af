"""Whose journal is it: a lock that the operating system gives up with its owner, however that one ends."""

import fcntl
import os
import shutil
from pathlib import Path

LOCK = "lock"
_UNBORN = ".new-"


class Claim:
    """The lock on the folder of one journal; held until `release` or the end of the process."""

    def __init__(self, folder: Path, fd: int) -> None:
        self.folder = folder
        self._fd = fd

    @property
    def worker(self) -> str:
        """The id of the worker that wrote the journal."""
        return self.folder.name

    def release(self) -> None:
        """Let others claim it."""
        os.close(self._fd)

    def remove(self) -> None:
        """Delete the journal and release it. Raises OSError."""
        shutil.rmtree(self.folder)
        self.release()

    def set_aside(self) -> Path:
        """Keep the journal under a name that nobody claims, release it, and return where it is. Raises OSError."""
        kept = self.folder.with_name(f".damaged-{self.worker}")
        self.folder.rename(kept)
        self.release()
        return kept


def begin(folder: Path, worker: str) -> Claim:
    """Create the folder `worker` in `folder` with its lock held from the first moment it is seen. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unborn = folder / f"{_UNBORN}{worker}"
    unborn.mkdir(mode=0o700)
    fd = os.open(unborn / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Claim(unborn.rename(folder / worker), fd)


def claim(folder: Path) -> Claim | None:
    """Take over the journal in `folder`; None while its owner lives, or when another process was first."""
    try:
        fd = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have removed it while this process waited for nothing but its turn.
        same = os.fstat(fd).st_ino == os.stat(folder / LOCK).st_ino
    except (BlockingIOError, FileNotFoundError):
        same = False
    if not same:
        os.close(fd)
        return None
    return Claim(folder, fd)


def journals(folder: Path) -> list[Path]:
    """The folders of journals in `folder`, live or not, the oldest first; none without `folder`."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
