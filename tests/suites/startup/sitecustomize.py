"""Runs at the start of each process of a suite, children too: does what the arm in ``SUITES_ARM`` says.

``adapters`` records what is submitted to executors and pools; ``recorded`` records every test method; ``plain`` puts a
callable that only calls through in the place of what the adapters submit, to tell our faults from the interpreter's.
"""

import os

ARM = os.environ.get("SUITES_ARM", "bare")


class PassThrough:
    """Calls a function."""

    def __init__(self, function):
        self.function = function

    def __call__(self, /, *args, **kwargs):
        return self.function(*args, **kwargs)


def put_plain_callables():
    """Wrap what is submitted to executors in plain callables."""
    from concurrent.futures import process, thread

    def wrap(owner):
        submit = owner.submit

        def plain_submit(self, function, /, *args, **kwargs):
            return submit(self, PassThrough(function), *args, **kwargs)

        owner.submit = plain_submit

    wrap(thread.ThreadPoolExecutor)
    wrap(process.ProcessPoolExecutor)


def record_test_methods():
    """Put each test method under ``@record_execution`` when its test is made."""
    import unittest

    from learning_instrument import configure, record_execution

    configure()
    seen = set()
    init = unittest.TestCase.__init__

    def recording_init(self, methodName="runTest"):
        owner = next((cls for cls in type(self).__mro__ if methodName in vars(cls)), None)
        if owner is not None and owner is not unittest.TestCase and (owner, methodName) not in seen:
            seen.add((owner, methodName))
            setattr(owner, methodName, record_execution(vars(owner)[methodName]))
        init(self, methodName)

    unittest.TestCase.__init__ = recording_init


if ARM == "adapters":
    import importlib.util

    from learning_instrument import PoolInstrumentor

    # A target that is not installed is a line on the standard error, which tests read.
    installed = [name for name in ("celery", "dramatiq") if importlib.util.find_spec(name)]
    PoolInstrumentor().instrument(targets=["concurrent.futures", "multiprocessing", *installed])
elif ARM == "recorded":
    record_test_methods()
elif ARM == "plain":
    put_plain_callables()
