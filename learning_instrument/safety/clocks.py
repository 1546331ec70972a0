"""The clocks, and the pause between two looks at one, as they were when this package was imported.

Libraries that fake the time in tests, such as freezegun, replace the functions of ``time`` in every module that has
them: a wait for a clock that stands still, or leaps, would never end, or end at once. These stay.
"""

import time as _time
from typing import Final


class Clocks:
    """The functions of the module ``time`` that this package uses, under their names."""

    monotonic = _time.monotonic
    monotonic_ns = _time.monotonic_ns
    perf_counter = _time.perf_counter
    perf_counter_ns = _time.perf_counter_ns
    process_time = _time.process_time
    sleep = _time.sleep
    thread_time = _time.thread_time
    thread_time_ns = _time.thread_time_ns
    time = _time.time
    time_ns = _time.time_ns
    gmtime = _time.gmtime
    strftime = _time.strftime


#: In place of the module.
time: Final = Clocks
