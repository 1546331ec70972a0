"""What recording costs, measured beside the alternatives. Run ``python -m tests.benchmarks``."""
