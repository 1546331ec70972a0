"""Questions to the database of executions: database in, frozen answers out. Nothing here prints."""

from .intervals import Proportion, normal_quantile, wilson

__all__ = ["Proportion", "normal_quantile", "wilson"]
