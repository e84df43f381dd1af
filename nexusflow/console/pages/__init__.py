"""The pages of the console, one module for each subject."""

from litestar import Controller

from nexusflow.console.pages.accounts import Accounts
from nexusflow.console.pages.audit import AuditLog
from nexusflow.console.pages.calls import Calls
from nexusflow.console.pages.config import Config
from nexusflow.console.pages.keys import Keys
from nexusflow.console.pages.limits import Limits
from nexusflow.console.pages.models import Models
from nexusflow.console.pages.money import Money
from nexusflow.console.pages.operators import Operators
from nexusflow.console.pages.overview import Overview
from nexusflow.console.pages.tasks import Tasks

PAGES: tuple[type[Controller], ...] = (
    Overview, Models, Calls, Tasks, Accounts, Keys, Limits, Money, Config, AuditLog, Operators,
)  # fmt: skip
