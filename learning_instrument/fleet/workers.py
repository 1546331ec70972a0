"""Works out slices of traces, in this process or in several side by side."""

import contextlib
import functools
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, Final

from ..costs.prices import prices_of
from ..errors import ConfigurationError, DatabaseError
from .address import Address
from .client import Client, connect
from .schema import has_json
from .scratch import Scratch
from .trace_costs import Changed, work_out

Start = Callable[[Sequence[str]], Callable[[], Changed]]
"""Begins to work out some traces, if it can; what it returns waits for the end, and may raise a DatabaseError."""

_Prices = Mapping[str, Any] | None

#: Of a process of its own: where the fleet is, and its prices.
_given: Final[list[Any]] = []


@contextlib.contextmanager
def in_this_process(client: Client, prices: _Prices) -> Iterator[Start]:
    """Yield what works out one slice after the other.

    Raises:
        ConfigurationError: for invalid prices.
    """
    is_json = has_json(client)
    with contextlib.closing(Scratch(prices_of(prices))) as scratch:
        yield lambda trace_ids: functools.partial(work_out, client, scratch, trace_ids, is_json)


@contextlib.contextmanager
def in_processes(address: Address, prices: _Prices, count: int) -> Iterator[Start]:
    """Yield what works out as many slices side by side, each process with a connection of its own.

    Raises:
        ConfigurationError: for chdb, whose folder one process has.
        DatabaseError: if one of them is ended.
    """
    if address.folder is not None:
        raise ConfigurationError(f"Invalid processes {count} for {address}: expected 1, as one process has its folder.")
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (address, prices))
    try:
        yield lambda trace_ids: pool.submit(_work_out, trace_ids).result
    except BrokenProcessPool as error:
        raise DatabaseError("A process of this refresh was ended. Run it again: it goes on where it was.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(*given: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this one
    _given[:] = given


@functools.cache
def _tools() -> tuple[Client, Scratch, bool]:
    address, prices = _given
    client = connect(address)
    return client, Scratch(prices_of(prices)), has_json(client)


def _work_out(trace_ids: Sequence[str]) -> Changed:
    client, scratch, is_json = _tools()
    return work_out(client, scratch, trace_ids, is_json)
