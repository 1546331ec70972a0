"""Real clients of models against a server on loopback, wire beside record: ``python -m tests.clients``."""
