"""Names of results and the kinds of files they may be: a closed list, so nothing that runs in a browser is served."""

import re

BINARY = "application/octet-stream"
KINDS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "bin": BINARY,
}
"""What a file is served as, by the end of its name. HTML and SVG would run as ours in a browser, so they are bytes."""
_ENDS = {mime: end for end, mime in KINDS.items()} | {"image/jpg": "jpg", "video/x-m4v": "mp4"}
_NAME = re.compile(r"task_[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}/[0-9]{1,4}\." + f"({'|'.join(KINDS)})")


def name_of(task: str, at: int, mime: str) -> str:
    """The name of the result number `at` of the task with the id `task`. Raises `ValueError` for what is no task id."""
    name = f"{task}/{at}.{_ENDS.get(_plain(mime), 'bin')}"
    if not is_name(name):
        raise ValueError(f"not the id of a task: {task[:80]!r}")
    return name


def is_name(text: str) -> bool:
    """Whether `text` is the name of a result; nothing else ever reaches a file system or a bucket."""
    return _NAME.fullmatch(text) is not None


def mime_of(name: str) -> str:
    """What the result `name` is served as."""
    return KINDS[name.rpartition(".")[2]]


def check(name: str, mime: str) -> None:
    """Raises `ValueError` unless `name` is one that `name_of` makes of `mime`."""
    if not is_name(name) or _ENDS.get(_plain(mime), "bin") != name.rpartition(".")[2]:
        raise ValueError(f"not a name for a result of the kind {mime[:80]!r}: {name[:80]!r}")


def _plain(mime: str) -> str:
    """The type without its parameters."""
    return mime.partition(";")[0].strip().lower()
