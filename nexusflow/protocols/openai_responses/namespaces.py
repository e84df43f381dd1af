"""Tools in namespaces under flat names, and back (protocols 2.8).

No other protocol groups tools. A grouped tool is called `namespace__name` there; what stands in the caller's own list
of tools is what an answer is told apart by, so a name is never cut open.
"""

import hashlib

from nexusflow.ir.chat import HostedTool, Tool

MAX_NAME = 64
"""Characters that every protocol takes in a function's name."""


def flat(namespace: str, name: str) -> str:
    """The flat name; one that would be too long ends in a digest of the whole."""
    joined = f"{namespace}__{name}"
    if len(joined) <= MAX_NAME:
        return joined
    return f"{joined[: MAX_NAME - 9]}_{hashlib.sha256(joined.encode()).hexdigest()[:8]}"


def called(namespace: str | None, name: str, tools: tuple[Tool | HostedTool, ...]) -> str:
    """The flat name of a tool that the history calls by `namespace` and `name`.

    A single tool that was loaded later is a namespace of its own name there, but stands in no namespace here.
    """
    if namespace is None:
        return name
    for tool in tools:
        if isinstance(tool, Tool) and tool.namespaced == (namespace, name):
            return tool.name
    declared = any(isinstance(tool, Tool) and tool.name == name and tool.namespaced is None for tool in tools)
    return name if declared or namespace == name else flat(namespace, name)
