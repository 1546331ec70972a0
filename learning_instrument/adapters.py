"""Adapters: how the pools of a library are recorded, as data.

For libraries whose tasks need more than a target: one row for each method that runs, sends or takes tasks.
``docs/how-to/your-own-library`` walks through one. An adapter imports nothing of its library.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Adapter", "Executes", "Run", "Sends", "Submits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one call tells of the task that it runs. Everything may be left out."""

    #: The library's own name of the task; by default the name of the function.
    task_type: str | None = None
    #: The task itself, whose fields fill columns, as those of ``execute_task(task)`` do.
    task: Any = None
    #: What the task is, where *task* does not say.
    description: str | None = None
    #: The arguments of the function: their plain values describe a task that nothing else does.
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    task_id: str | None = None
    #: The queue or the pool, and who runs it.
    pool_id: str | None = None
    worker_id: str | None = None
    #: The language model that is asked.
    model: str | None = None
    #: The number of this attempt: 1 for the first, 2 for the first retry.
    attempt: int | None = None
    #: After how many seconds the library cancels it: a cancellation that late is a time-out.
    time_limit: float | None = None
    #: The user's function. Where it is decorated it records itself, and is not recorded twice.
    function: Any = None
    #: What a :class:`Sends` row stamped, as it arrived.
    headers: Any = None
    #: Since when it could have run, in seconds of Unix time; by default the time that the headers say.
    queued_at: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Executes:
    """A method whose every call runs one task: plain, async, a generator, or a context manager of contextlib.

    A generator runs it until it ends or is closed, a context manager until its block ends.
    Choose the innermost one that raises where the task does: one that catches the exception records it as a success.
    """

    #: ``"package.module:Class.method"`` or ``"package.module:function"``.
    target: str
    #: Called with the arguments of the call, ``self`` included; returns what it runs, or None where that is no task.
    read: Callable[..., Run | None]
    #: ``returned value -> result``: what the task returned, or the exception that it raised, where the method returns
    #: neither; by default the returned value. Of a generator or a context manager it gets the last item, and a
    #: generator that is closed or cancelled ended as that says where it is not None: the rest was not wanted.
    result: Callable[[Any], Any] | None = None
    #: Whether subclasses that define the method are recorded, too.
    subclasses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sends:
    """A method that sends a task to another thread, process or machine: the context and the time travel along."""

    target: str
    #: Called with the arguments of the call; returns a mapping that arrives with the task, or None.
    headers: Callable[..., MutableMapping[str, Any] | None]
    #: Called with the same; returns the earliest time to run it, in seconds of Unix time, or None.
    not_before: Callable[..., float | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submits:
    """A method that takes a function, to call it in another thread or process: each call is recorded there."""

    target: str
    #: The name of the parameter that holds the function; of ``*args``, it is the first.
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """How the pools of a library are recorded.

    Give it to ``PoolInstrumentor().instrument(targets=...)``, or name its module as an entry point of the group
    ``learning_instrument_pools``.
    """

    #: As people type the library in ``pip install``; the default pool type.
    name: str
    rows: "tuple[Row, ...]"
    #: The module that the application imports; by default the name.
    package: str = ""
    #: What is recorded, for ``learning-instrument pools``.
    records: str = ""


#: A row of an adapter. A function is called with tools of our own, and not promised: rows are.
Row = Executes | Sends | Submits | Callable[[Any], object]
