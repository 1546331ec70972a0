"""``Budget``: how much may be spent in which time, and what happens then. Values only; nothing is measured here."""

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from .errors import ConfigurationError

PERIODS: Final = ("hour", "day", "month")
GROUPS: Final = ("pool_type", "model_tier", "repo")
#: US dollars are counted in whole billionths, so that a sum does not depend on its order.
NANO: Final = 1_000_000_000
#: Beyond a million dollars, sums of billionths would no longer be exact.
MOST_USD: Final = 1_000_000.0


@dataclass(frozen=True)
class Budget:
    """What may be spent on executions, in US dollars for each hour, day or month (of the calendar, in UTC).

    What counts is the known cost of all executions in the database that began in the present window, whichever process
    ran them; see :func:`learning_instrument.analytics.budget_status`.

    Args:
        usd: the limit, in US dollars.
        per: ``"hour"``, ``"day"`` or ``"month"``.
        by: None for one limit over all, or ``"pool_type"``, ``"model_tier"`` or ``"repo"`` for a limit of that size for
            each. A task that does not say its model tier before it starts is measured against the tier ``"unknown"``.
        warn_at: the share of the limit that is announced before it is reached: above 0, at most 1.
        on_limit: ``"warn"`` logs a warning at *warn_at* and at the limit, and tasks go on. ``"raise"`` does so too,
            and raises :class:`BudgetExceeded` in place of each task that would start beyond the limit. A callable
            is called with a :class:`BudgetStatus` at *warn_at* and at the limit, and tasks go on. Each process
            announces each share once in a window and group, on the thread of the task that is about to start.
        fail_closed: refuse tasks, by :class:`BudgetExceeded`, while it cannot be told what is spent. By default a
            budget that cannot be checked stops nothing.

    Raises:
        ConfigurationError: for an argument that cannot be used.
    """

    usd: float
    per: str = "day"
    by: str | None = None
    warn_at: float = 0.8
    # Not every callable can be hashed.
    on_limit: "str | Callable[[BudgetStatus], object]" = field(default="warn", hash=False)
    fail_closed: bool = False

    def __post_init__(self) -> None:
        """Check the arguments."""
        if not _is_number(self.usd) or not 1 / NANO <= self.usd <= MOST_USD:
            raise ConfigurationError(f"usd={self.usd!r} is not an amount above 0, of at most ${MOST_USD:,.0f}.")
        if self.per not in PERIODS:
            raise ConfigurationError(f"per={self.per!r} is none of {', '.join(PERIODS)}.")
        if self.by is not None and self.by not in GROUPS:
            raise ConfigurationError(f"by={self.by!r} is none of {', '.join(GROUPS)}; None is one limit over all.")
        if not _is_number(self.warn_at) or not 0 < self.warn_at <= 1:
            raise ConfigurationError(f"warn_at={self.warn_at!r} is not a share above 0, of at most 1.")
        if not (self.on_limit in ("warn", "raise") if isinstance(self.on_limit, str) else callable(self.on_limit)):
            raise ConfigurationError(f"on_limit={self.on_limit!r} is neither 'warn', nor 'raise', nor a function.")
        if inspect.iscoroutinefunction(self.on_limit):
            raise ConfigurationError(f"on_limit={self.on_limit!r} is a coroutine function, which nobody would await.")
        if not isinstance(self.fail_closed, bool):
            raise ConfigurationError(f"fail_closed={self.fail_closed!r} is neither True nor False.")

    def describe(self, group: str | None = None) -> str:
        """Return the budget as a sentence names it, for one *group* of it."""
        whom = f" for {self.by} {group!r}" if self.by is not None and group is not None else ""
        return f"The budget of {dollars(self.usd)} a {self.per}{whom}"


def budgets_of(given: Any) -> tuple[Budget, ...]:
    """Return the budgets that an argument ``budget=`` means: None, one, or several.

    Raises:
        ConfigurationError: if it is none of these.
    """
    if given is None:
        return ()
    budgets = (given,) if isinstance(given, Budget) else tuple(given) if isinstance(given, Iterable) else None
    if budgets is None or not all(isinstance(budget, Budget) for budget in budgets):
        raise ConfigurationError(f"budget={given!r} is neither a Budget nor a sequence of them; pass Budget(usd=5.0).")
    return tuple(dict.fromkeys(budgets))


class Window(NamedTuple):
    """The hour, day or month that a budget is for: from its start until the start of the next."""

    start: datetime
    end: datetime


def window_around(moment: datetime, per: str) -> Window:
    """Return the hour, day or month around *moment*, in UTC."""
    hour = moment.astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0)
    if per == "hour":
        return Window(hour, hour + timedelta(hours=1))
    day = hour.replace(hour=0)
    if per == "day":
        return Window(day, day + timedelta(days=1))
    first = day.replace(day=1)
    return Window(first, (first + timedelta(days=31)).replace(day=1))


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """What is spent of a budget in its present window."""

    budget: Budget
    #: The pool type, model tier or repo; None for a budget over all.
    group: str | None
    spent_usd: float
    window_start: datetime
    window_end: datetime
    #: Executions that count, and those among them whose cost nobody knows: what they cost comes on top.
    executions: int
    unpriced: int

    @property
    def share(self) -> float:
        """What is spent, as a share of the limit."""
        return self.spent_usd / self.budget.usd

    @property
    def left_usd(self) -> float:
        """What is left, in US dollars; below 0 where more was spent than the limit."""
        return self.budget.usd - self.spent_usd


def dollars(amount: float) -> str:
    """Return *amount* as a sentence has it."""
    return f"${amount:,.2f}" if amount >= 1 or amount == round(amount, 2) else f"${amount:.4g}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
