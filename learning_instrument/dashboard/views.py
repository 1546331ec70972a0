"""What a page is asked to show: a period, the executions in it, and where its parts lead."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..analytics.burndown import Period as BudgetPeriod
from ..analytics.periods import Period
from ..sqlite.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The addresses that parts of a page lead to; None: a part leads nowhere."""

    #: Of one execution, by its id.
    execution: Callable[[str], str | None] = lambda execution_id: None
    #: Of the rows behind a section: its name, and which executions it is about.
    rows: Callable[[str, Selection], str | None] = lambda name, selection: None


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount of US dollars that is renewed with each period."""

    amount_usd: float
    period: BudgetPeriod = "month"


@dataclass(frozen=True, slots=True)
class View:
    """What one page shows."""

    period: Period
    #: Filters alone: the period is the window.
    selection: Selection = field(default_factory=Selection)
    links: Links = field(default_factory=Links)
    budget: Budget | None = None

    @property
    def chosen(self) -> Selection:
        """The executions that it is about."""
        return replace(self.selection, since=self.period.since, until=self.period.until)
