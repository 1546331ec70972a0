"""``Budget``: a limit for what is spent in a time, and what happens at the limit."""

import inspect
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Literal, NamedTuple, get_args

from .columns import metadata_key
from .errors import ConfigurationError

Period = Literal["hour", "day", "month"]
"""How often a budget is renewed."""

PERIODS: Final = get_args(Period)
GROUPS: Final = ("pool_type", "model_tier", "repo", "model")
#: Costs are added up in whole billionths of a US dollar, so that a sum does not depend on its order.
NANO: Final = 1_000_000_000
#: Beyond a million dollars, sums of billionths would no longer be exact.
MOST_USD: Final = 1_000_000.0
#: The variable that has budgets for all executions.
VARIABLE: Final = "LEARNING_INSTRUMENT_BUDGET"
_WRITTEN: Final = re.compile(r"\s*([\d.]+)\s*/\s*(\w+)(?:\s+by\s*=\s*(.+?))?\s*")


@dataclass(frozen=True)
class Budget:
    """A limit for the cost of executions, in US dollars for each hour, day or month (of the calendar, in UTC).

    It limits the known cost of all executions in the database that began in the present window, of all processes; see
    :func:`learning_instrument.analytics.budget_status`.

    Args:
        usd: the limit, in US dollars.
        per: ``"hour"``, ``"day"`` or ``"month"``.
        by: None for one limit over all; or ``"pool_type"``, ``"model_tier"``, ``"repo"``, ``"model"``, or
            ``"metadata.KEY"`` for a key of the tasks' metadata, for a limit of that size for each. A task is checked
            against what is known before it starts, from the task itself or a name or path in ``fields``, else against
            the group ``"unknown"``.
        warn_at: the share of the limit at which to warn: above 0, at most 1.
        on_limit: ``"warn"`` logs a warning at *warn_at* and at the limit, and tasks go on. ``"raise"`` does so too,
            and raises :class:`BudgetExceeded` in place of each task that would start beyond the limit. A callable
            is called with a :class:`BudgetStatus` at *warn_at* and at the limit, and tasks go on. Each process
            warns once for each window and group at either, on the thread of the task that is about to start.
        fail_closed: refuse tasks, by :class:`BudgetExceeded`, while spending is unknown. By default a budget that
            cannot be checked stops nothing.

    Raises:
        ConfigurationError: for an invalid argument.
    """

    usd: float
    per: Period = "day"
    by: str | None = None
    warn_at: float = 0.8
    # Not every callable can be hashed.
    on_limit: "Literal['warn', 'raise'] | Callable[[BudgetStatus], object]" = field(default="warn", hash=False)
    fail_closed: bool = False

    def __post_init__(self) -> None:
        """Check the arguments."""
        if not _is_number(self.usd) or not 1 / NANO <= self.usd <= MOST_USD:
            raise ConfigurationError(f"Invalid usd {self.usd!r}: expected a number above 0, at most {MOST_USD:,.0f}.")
        if self.per not in PERIODS:
            raise ConfigurationError(f"Invalid per {self.per!r}: expected one of {', '.join(PERIODS)}.")
        if self.by is not None and not (self.by in GROUPS or (isinstance(self.by, str) and metadata_key(self.by))):
            raise ConfigurationError(
                f"Invalid by {self.by!r}: expected one of {', '.join(GROUPS)}, metadata.KEY such as metadata.customer,"
                " or None."
            )
        if not _is_number(self.warn_at) or not 0 < self.warn_at <= 1:
            raise ConfigurationError(f"Invalid warn_at {self.warn_at!r}: expected a share above 0, at most 1.")
        if not (self.on_limit in ("warn", "raise") if isinstance(self.on_limit, str) else callable(self.on_limit)):
            raise ConfigurationError(f"Invalid on_limit {self.on_limit!r}: expected 'warn', 'raise' or a function.")
        if inspect.iscoroutinefunction(self.on_limit):
            raise ConfigurationError(
                f"Invalid on_limit {self.on_limit!r}: expected a plain function, for a coroutine is not awaited."
            )
        if not isinstance(self.fail_closed, bool):
            raise ConfigurationError(f"Invalid fail_closed {self.fail_closed!r}: expected True or False.")

    def describe(self, group: str | None = None) -> str:
        """Return the budget in words, for one *group* where it has groups."""
        whom = f" for {self.by} {group!r}" if self.by is not None and group is not None else ""
        article = "an" if self.per == "hour" else "a"
        return f"The budget of {format_usd(self.usd)} {article} {self.per}{whom}"


def budgets_of(given: Any) -> tuple[Budget, ...]:
    """Return the budgets of an argument ``budget=``: None, one, or several.

    Raises:
        ConfigurationError: for another value.
    """
    if given is None:
        return ()
    budgets = (given,) if isinstance(given, Budget) else tuple(given) if isinstance(given, Iterable) else None
    if budgets is None or not all(isinstance(budget, Budget) for budget in budgets):
        raise ConfigurationError(
            f"Invalid budget {given!r}: expected a Budget such as Budget(usd=5.0), or a sequence of them."
        )
    return tuple(dict.fromkeys(budgets))


def budgets_in(text: str) -> tuple[Budget, ...]:
    """Return the budgets that *text* has, between commas or semicolons: ``1.00/day``, ``20/month by=pool_type``.

    Raises:
        ConfigurationError: if one of them is invalid.
    """
    return tuple(dict.fromkeys(_budget_in(part.strip()) for part in re.split("[,;]", text) if part.strip()))


def _budget_in(text: str) -> Budget:
    match = _WRITTEN.fullmatch(text)
    if match is None or match[1].count(".") > 1 or match[1] == ".":
        raise ConfigurationError(
            f"Invalid budget {text!r}: expected US dollars for each hour, day or month, such as 1.00/day or"
            " '1.00/day by=pool_type'; several with commas between."
        )
    return Budget(float(match[1]), match[2], match[3])  # type: ignore[arg-type]


class Window(NamedTuple):
    """An hour, day or month of a budget: from its start until the start of the next."""

    start: datetime
    end: datetime


def window_around(time: datetime, per: Period) -> Window:
    """Return the hour, day or month around *time*, in UTC."""
    hour = time.astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0)
    if per == "hour":
        return Window(hour, hour + timedelta(hours=1))
    day = hour.replace(hour=0)
    if per == "day":
        return Window(day, day + timedelta(days=1))
    first = day.replace(day=1)
    return Window(first, (first + timedelta(days=31)).replace(day=1))


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """What was spent of a budget in its present window."""

    budget: Budget
    #: The pool type, customer or the like; None for a budget over all.
    group: str | None
    spent_usd: float
    window_start: datetime
    window_end: datetime
    #: The executions of the window, and those of them whose cost is unknown: it is not in ``spent_usd``.
    executions: int
    unpriced: int
    #: The executions of which a part of the cost is unknown: ``spent_usd`` is a lower bound then.
    partial: int = 0

    @property
    def share(self) -> float:
        """What was spent, as a share of the limit."""
        return self.spent_usd / self.budget.usd

    @property
    def left_usd(self) -> float:
        """What is left, in US dollars; negative beyond the limit."""
        return self.budget.usd - self.spent_usd


def format_usd(amount: float) -> str:
    """Return an amount of US dollars as text for a message: in cents, or in four digits where it is smaller."""
    return f"${amount:,.2f}" if amount >= 1 or amount == round(amount, 2) else f"${amount:.4g}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
