"""Other people's test suites, run bare and recorded, outcome for outcome: ``python -m tests.suites``."""
