"""Questions to the database of executions: database in, frozen answers out. Nothing here prints."""

from .asking import Queryable, Selection
from .burndown import BurnDown, burn_down
from .costs import Correction, CorrectionTest, Costs, DaySpend, EstimateAccuracy, costs
from .intervals import Proportion, normal_quantile, wilson
from .overview import Summary, TierSummary, summary
from .performance import Performance, performance

__all__ = [
    "BurnDown",
    "Correction",
    "CorrectionTest",
    "Costs",
    "DaySpend",
    "EstimateAccuracy",
    "Performance",
    "Proportion",
    "Queryable",
    "Selection",
    "Summary",
    "TierSummary",
    "burn_down",
    "costs",
    "normal_quantile",
    "performance",
    "summary",
    "wilson",
]
