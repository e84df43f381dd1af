"""Operators of the gateway, and their sessions in the console (SEC-08, SEC-75)."""

from nexusflow.operators.model import Operator, OperatorProblem, Right, Role
from nexusflow.operators.sessions import SessionTable
from nexusflow.operators.table import OperatorTable

__all__ = ["Operator", "OperatorProblem", "OperatorTable", "Right", "Role", "SessionTable"]
