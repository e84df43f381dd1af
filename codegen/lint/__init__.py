"""Lint: what the schema cannot say about a gateway.yaml, one function a rule.

The schema has accepted the document before. Importing this package registers the rules.
"""

from codegen.diagnostics import Diagnostic
from codegen.lint import (
    alerts,
    health,
    limits,
    names,
    parameters,
    price_lists,
    prices,
    protocols,
    references,
    routing,
    secrets,
    settings,
    timeouts,
)
from codegen.lint.context import Context
from codegen.rules import LINTS
from codegen.spec import Spec
from codegen.tree import Tree

FAMILIES = (
    *(references, routing, timeouts, health, parameters, names, protocols, prices, price_lists, limits, secrets),
    settings,
    alerts,
)
"""The modules that hold rules, in the order of their codes."""

__all__ = ["FAMILIES", "Context", "lint"]


def lint(document: Spec, tree: Tree) -> list[Diagnostic]:
    """Every finding of every lint rule, rule by rule; `tree` is where `document` was read from."""
    context = Context(document, tree)
    return [found for check in LINTS.values() for found in check(context)]
