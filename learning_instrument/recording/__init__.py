"""One call of a function -> one execution -> one span: runs inside other people's tasks.

Knows OpenTelemetry's API and wrapt, never the SDK or SQLite; what it must reach beyond them comes in a ``Pipeline``.
"""
