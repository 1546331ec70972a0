"""Where spans go: resolver, processors, exporter, private tracer, metrics, budget gate.

Knows the SDK and the database. Code that runs in tasks reaches it only through a ``Pipeline``.
"""
