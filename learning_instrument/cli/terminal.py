"""What the command writes to: a terminal or a pipe, its width, its letters and its colours; and what was said of it.

All that is printed goes through :func:`write` and :func:`tell`, and whether it is coloured is decided here alone.
"""

import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Final, TextIO

import click

from ..fleet.address import without_passwords
from ..safety.control_characters import one_line

#: Where a command's context has what it was told: to print texts as they are, times of this machine, no colours.
RAW: Final = "learning_instrument.raw"
LOCAL: Final = "learning_instrument.local"
NO_COLOR: Final = "learning_instrument.no_color"

_NARROWEST: Final = 20


def is_told(what: str) -> bool:
    """Tell whether the command was told :data:`RAW`, :data:`LOCAL` or :data:`NO_COLOR`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(what))


def is_terminal() -> bool:
    """Tell whether standard output is a terminal."""
    return sys.stdout.isatty()


def is_coloured(stream: TextIO | None = None) -> bool:
    """Tell whether *stream*, by default the standard output, gets colours.

    ``--no-color`` and ``NO_COLOR`` (https://no-color.org) forbid them, ``FORCE_COLOR`` asks for them in a pipe too;
    otherwise a terminal gets them, unless it is ``TERM=dumb``.
    """
    if is_told(NO_COLOR) or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and (is_terminal() if stream is None else stream.isatty())


def painted(text: str, style: str) -> str:
    """Return *text* in a *style*, where there are colours: ``bold``, ``dim``, the name of a colour, or none."""
    if not style or not text or not is_coloured():
        return text
    return click.style(text, **({style: True} if style in ("bold", "dim") else {"fg": style}))


def terminal_width() -> int:
    """Return how many characters fit on a line."""
    return max(_NARROWEST, shutil.get_terminal_size().columns)


def writes_unicode() -> bool:
    """Tell whether the standard output has every letter."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"


def write(text: str, end: str = "\n") -> None:
    """Print *text* unchanged: ``click.echo`` would strip escape sequences from data in a pipe."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def tell(message: str) -> None:
    """Print a message on one line of standard error, without passwords: they may stand in any argument by mistake."""
    click.echo(without_passwords(one_line(message)), err=True)


@contextlib.contextmanager
def logging_in_one_line() -> Iterator[None]:
    """Print what is logged, and handled by nothing else, as :func:`tell` does: it may name files and tasks."""
    before = logging.lastResort
    logging.lastResort = _OneLine(logging.WARNING)
    try:
        yield
    finally:
        logging.lastResort = before


class _OneLine(logging.Handler):
    """Prints a log record without its traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("clickhouse_connect."):  # it raises the same
            tell(record.getMessage())
