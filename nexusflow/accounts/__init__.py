"""Organisations, teams and users; their wallets and budgets; and who pays for a request (contract 2.14)."""

from nexusflow.accounts.audit import AuditEntry, entries
from nexusflow.accounts.budgets import BudgetTable
from nexusflow.accounts.directory import Directory
from nexusflow.accounts.model import (
    AccountAmbiguous,
    AccountInvalid,
    AccountProblem,
    AccountTaken,
    AccountUnknown,
    Member,
    Organisation,
    Team,
    Wallet,
)
from nexusflow.accounts.money import Money, MoneyRefused, Movement
from nexusflow.accounts.table import AccountTable

__all__ = [
    "AccountAmbiguous",
    "AccountInvalid",
    "AccountProblem",
    "AccountTable",
    "AccountTaken",
    "AccountUnknown",
    "AuditEntry",
    "BudgetTable",
    "Directory",
    "Member",
    "Money",
    "MoneyRefused",
    "Movement",
    "Organisation",
    "Team",
    "Wallet",
    "entries",
]
