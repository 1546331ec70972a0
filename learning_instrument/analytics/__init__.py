"""Questions to the database of executions: database in, frozen answers out. Nothing here prints."""

from ..budgets import BudgetStatus
from ..costs.spending import budget_status
from ..sqlite.selection import Queryable, Selection
from .briefing import Briefing, briefing, briefings
from .burndown import BurnDown, burn_down
from .comparison import CellComparison, Change, Comparison, Gate, Quantile, compare
from .costs import Correction, CorrectionTest, Costs, DaySpend, EstimateAccuracy, GroupSpend, costs, price_tables
from .days import Day
from .error_groups import ErrorGroup, ErrorReport, GroupCost, Touched, error_groups
from .extremes import Extremes, extremes
from .findings import Finding
from .headings import Heading
from .intervals import Estimate, Proportion, normal_quantile, wilson
from .overview import Summary, TierSummary, summary
from .patterns import SolutionPattern, solution_patterns
from .performance import Performance, QueueWait, performance, queue_waits
from .periods import PERIODS, Period, default_periods
from .routing import RoutingBin, RoutingCalibration, routing_calibration
from .side_by_side import Alternative, SideBySide, side_by_side
from .sides import Version, side
from .similarity import SimilarExecution, similar_executions
from .story import Story, StoryLine, TimeSpent, story
from .tiles import Figure
from .values import Unmatched, Values, unmatched, values_of
from .worth_asking import WorthAsking, worth_asking

__all__ = [
    "PERIODS",
    "Alternative",
    "Briefing",
    "BudgetStatus",
    "BurnDown",
    "CellComparison",
    "Change",
    "Comparison",
    "Correction",
    "CorrectionTest",
    "Costs",
    "Day",
    "DaySpend",
    "ErrorGroup",
    "ErrorReport",
    "Estimate",
    "EstimateAccuracy",
    "Extremes",
    "Figure",
    "Finding",
    "Gate",
    "GroupCost",
    "GroupSpend",
    "Heading",
    "Performance",
    "Period",
    "Proportion",
    "Quantile",
    "Queryable",
    "QueueWait",
    "RoutingBin",
    "RoutingCalibration",
    "Selection",
    "SideBySide",
    "SimilarExecution",
    "SolutionPattern",
    "Story",
    "StoryLine",
    "Summary",
    "TierSummary",
    "TimeSpent",
    "Touched",
    "Unmatched",
    "Values",
    "Version",
    "WorthAsking",
    "briefing",
    "briefings",
    "budget_status",
    "burn_down",
    "compare",
    "costs",
    "default_periods",
    "error_groups",
    "extremes",
    "normal_quantile",
    "performance",
    "price_tables",
    "queue_waits",
    "routing_calibration",
    "side",
    "side_by_side",
    "similar_executions",
    "solution_patterns",
    "story",
    "summary",
    "unmatched",
    "values_of",
    "wilson",
    "worth_asking",
]
