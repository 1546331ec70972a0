"""Real libraries of pools, each task beside its row: ``python -m tests.pools``."""
