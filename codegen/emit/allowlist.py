"""What emitted Python may contain, checked on every build: no text of a gateway.yaml can become code (SEC-43)."""

import ast

from codegen.emit.literals import CONSTRUCTORS
from codegen.shapes import FIELDS

NODES = (
    ast.Module, ast.Expr, ast.Constant, ast.Assign, ast.AnnAssign, ast.Name, ast.Load, ast.Store, ast.Tuple,
    ast.Call, ast.keyword, ast.Attribute, ast.ClassDef, ast.List, ast.Subscript, ast.BinOp, ast.BitOr, ast.ImportFrom,
    ast.alias, ast.AsyncFunctionDef, ast.arguments, ast.arg, ast.Await, ast.UnaryOp, ast.USub,
)  # fmt: skip
MODULES = frozenset(("nexusflow.artifact", "requests", "prices", "routes", None))
ENDPOINTS = (
    "AnthropicMessages",
    "GeminiGenerate",
    "ModelList",
    "OpenAIChat",
    "OpenAIEmbeddings",
    "OpenAIImages",
    "OpenAIResponses",
    "Tasks",
)
HANDLERS = ("addresses", "chat", "embeddings", "generate", "images", "messages", "models", "responses", "tasks")
CALLS = frozenset(
    ("Meta", "asgi", "by_method", "load", *ENDPOINTS, *HANDLERS, *(kind.__name__ for kind in CONSTRUCTORS))
)
NARROWED = frozenset(("generationConfig",)).union(*FIELDS.values())


class NotAllowed(ValueError):
    """Emitted code holds something that no template writes: a bug in an emitter, never the user's fault."""


def check(name: str, source: str) -> None:
    """Raise `NotAllowed` unless `source` consists of allowed nodes, imports, calls, strings and names only."""
    for node in ast.walk(ast.parse(source, filename=name)):
        if not isinstance(node, NODES):
            raise _refused(name, node, type(node).__name__)
        if isinstance(node, ast.ImportFrom) and node.module not in MODULES:
            raise _refused(name, node, f"import of {node.module}")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in CALLS):
            raise _refused(name, node, "a call")
        if isinstance(node, ast.Attribute) and node.attr not in ("REQUESTS", "PRICES"):
            raise _refused(name, node, f"attribute {node.attr}")
        if isinstance(node, ast.AsyncFunctionDef) and len(node.body) != 1:
            raise _refused(name, node, "a function of more than one statement")
        if isinstance(node, ast.ClassDef):
            _check_fields(name, node)


def _check_fields(name: str, node: ast.ClassDef) -> None:
    """A generated struct has a docstring and fields that narrow known parameters."""
    for statement in node.body[1:]:
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            raise _refused(name, statement, "a statement in a class")
        if statement.target.id not in NARROWED:
            raise _refused(name, statement, f"field {statement.target.id}")


def _refused(name: str, node: ast.AST, what: str) -> NotAllowed:
    return NotAllowed(f"{name}:{getattr(node, 'lineno', 0)}: {what} is not allowed in emitted code")
