"""Raises a signal at a given place of our code."""

import dis
import functools
import gc
import os
import signal
import sys
import threading

import learning_instrument

PACKAGE = os.path.dirname(learning_instrument.__file__)
#: The interpreter looks for signals after a call, at the first instruction of a function, and where a loop goes back.
_LOOKS = {
    dis.opmap[name]
    for name in (
        "CALL",
        "CALL_FUNCTION",
        "CALL_FUNCTION_EX",
        "CALL_FUNCTION_KW",
        "CALL_KW",
        "CALL_METHOD",
        "JUMP_ABSOLUTE",
        "JUMP_BACKWARD",
        "RESUME",
    )
    if name in dis.opmap
}
#: Since Python 3.12, whose trace function misses instructions.
_HAS_MONITORING = hasattr(sys, "monitoring")
_TOOL = 4


def files(*names):
    """Return the paths of files of ours, and of all files in folders of ours."""
    found = set()
    for name in names:
        path = os.path.join(PACKAGE, *name.split("/"))
        if os.path.isdir(path):
            found |= {os.path.join(folder, file) for folder, _, inside in os.walk(path) for file in inside}
        else:
            found.add(path)
    return found


def called_with_a_signal_at(line, function, within, number=signal.SIGINT):
    """Call *function*, and raise the signal *number* at the *line*-th line of the files *within*.

    Return whether there were so many lines.
    """
    seen = 0

    def count(frame, event, argument):
        nonlocal seen
        seen += event == "line"
        if seen == line:
            seen += 1
            sys.settrace(None)
            print("AT", line, frame.f_code.co_filename[-40:], frame.f_lineno)
            signal.raise_signal(number)
        return count

    def trace(frame, *_):
        return count if frame.f_code.co_filename in within else None

    before = sys.gettrace()
    # Since Python 3.12 a collection begins where the handler is called: in a callback of one (hypothesis has it) what
    # the handler raises is lost.
    gc.disable()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
        gc.enable()
    return seen > line


class Places:
    """The places of the files *within* where the interpreter looks for signals, as long as the block runs.

    A signal comes after the last instruction, and is raised before the next: places between which a ``try`` begins or
    ends are left out.
    """

    def __init__(self, within, number=signal.SIGINT):
        self._within, self._number = within, number
        self._thread = threading.get_ident()
        self._place = self._seen = 0
        self._previous = {}  # frame -> its last instruction

    def __enter__(self):
        if _HAS_MONITORING:
            instructions = sys.monitoring.events.INSTRUCTION
            sys.monitoring.use_tool_id(_TOOL, "signals")
            sys.monitoring.register_callback(_TOOL, instructions, self._monitor)
            sys.monitoring.set_events(_TOOL, instructions)
        return self

    def __exit__(self, *exc_info):
        if _HAS_MONITORING:
            sys.monitoring.set_events(_TOOL, 0)
            sys.monitoring.free_tool_id(_TOOL)

    def call(self, place, function):
        """Call *function* with a signal at the *place*-th place; tell whether there are so many."""
        self._place, self._seen = place, 0
        if not _HAS_MONITORING:
            sys.settrace(self._trace)
        try:
            function()
        finally:
            if not _HAS_MONITORING:
                sys.settrace(None)
            is_reached, self._place = not self._place, 0
            self._previous.clear()
        return is_reached

    def _monitor(self, code, offset):
        is_within = code.co_filename in self._within
        if is_within and self._place and threading.get_ident() == self._thread:
            self._look(sys._getframe(1))
        return None if is_within else sys.monitoring.DISABLE

    def _trace(self, frame, event, argument):
        if frame.f_code.co_filename not in self._within:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and self._place:
            self._look(frame)
        return self._trace

    def _look(self, frame):
        code, last = frame.f_code, self._previous.get(frame)
        self._previous[frame] = frame.f_lasti
        self._seen += last is None or (
            code.co_code[last] in _LOOKS and _handler(code, last) == _handler(code, frame.f_lasti)
        )
        if self._seen == self._place:
            self._place = 0
            print("AT", self._seen, code.co_filename[-40:], frame.f_lineno)
            signal.raise_signal(self._number)


def _handler(code, offset):
    """Return where an exception at *offset* is handled. Before Python 3.11, instructions say so themselves."""
    return next((entry.target for entry in _table(code) if entry.start <= offset < entry.end), None)


@functools.cache
def _table(code):
    parse = getattr(dis, "_parse_exception_table", None)
    return [] if parse is None else parse(code)
