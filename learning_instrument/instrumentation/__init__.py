"""Finds calls and wraps them: the decorator, ``PoolInstrumentor``, and adapters for libraries.

Decides when wrapping, so that a call only resolves its pipeline and records. Uses OpenTelemetry's API and wrapt.
"""
