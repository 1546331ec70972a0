"""The version of this package; the build reads it from here.

A literal: ``importlib.metadata`` takes 2 ms, a tenth of the whole import of ``record_execution``.
"""

__version__ = "0.1.0"
