"""``watch``: alerts of new errors, bursts of failures and budgets."""

import math
import os
from datetime import timedelta

import click

from ...errors import ConfigurationError, DatabaseError
from ...safety.clocks import time
from ...timestamps import from_iso
from .. import moments
from ..child_command import ChildCommand
from ..deliveries import ended_by_sigterm
from ..options import NumberRange, Question, budget_options, filtered_command, tell_of_spill_files
from ..rendering import print_note
from ..telling import Target, Telling, watch_name
from ..terminal import tell
from ..watching import Budgeted, Watch
from ..webhook import Webhook

#: How long the end of a watch waits for what is being told.
_END_SECONDS = 30.0
_FAILED = 1


@filtered_command("watch")
@click.option("--exec", "command", metavar="COMMAND", help="Run this for each alert, with its JSON on standard input.")
@click.option("--webhook", metavar="URL", help="Post the JSON of each alert; - reads the URL from standard input.")
@click.option("--content", is_flag=True, help="Add the executions that an alert names, in full.")
@budget_options(
    "Tell when 80% and 100% of this amount of US dollars is spent.", "How often the budget is renewed, in UTC."
)
@click.option(
    "--interval",
    default=3600.0,
    type=NumberRange(min=0, max=1e9),
    metavar="SECONDS",
    show_default=True,
    help="The shortest time in seconds between two alerts of one kind and error group.",
)
@click.option(
    "--every",
    default=10.0,
    type=NumberRange(min=0.05, max=1e9),
    metavar="SECONDS",
    show_default=True,
    help="How many seconds to wait between two looks.",
)
@click.option(
    "--for",
    "seconds",
    type=NumberRange(min=0),
    metavar="SECONDS",
    help="How many seconds to watch.  [default: until Ctrl-C]",
)
@click.option("--once", is_flag=True, help="Look once, tell what there is, and end: for cron.")
def watch_command(
    question: Question,
    command: str | None,
    webhook: str | None,
    content: bool,
    budget: float | None,
    period: str,
    interval: float,
    every: float,
    seconds: float | None,
    once: bool,
) -> int:
    """Tell of new errors, bursts of failures and budgets, once each.

    News is a new error group, one back after a week, a burst of failures, and a budget of which 80% or 100% is spent.
    What is stored when the first look begins is known. What was told is remembered in the file, for the same filters
    and targets: a watch that is started again, or twice, tells it once. Alerts have counts, ids and the template of the
    message; what people wrote only with --content. COMMAND is a program and its arguments; no shell is involved. A
    webhook that fails is tried again for a day. With --once the exit code is 1 where something could not be told.
    """
    targets: dict[str, Target] = {}
    if command is not None:
        targets["exec"] = ChildCommand(command)
    if webhook is not None:
        targets["webhook"] = Webhook(webhook)
    if content and not targets:
        raise ConfigurationError("--content has no effect without --exec or --webhook; give one.")
    name = watch_name(question.selection, targets)
    budgeted = None if budget is None else Budgeted(budget, period)
    watch = Watch(question.file, name, list(targets), question.selection, budgeted, timedelta(seconds=interval))
    telling = Telling(question.file, name, targets, content)
    tell_of_spill_files(question.file)
    end = None if seconds is None else time.monotonic() + seconds
    with ended_by_sigterm():
        try:
            _look(watch)
            if once:
                while telling.start():
                    telling.wait(_END_SECONDS)
                return _FAILED if telling.has_failed else 0
            _follow(watch, telling, every, math.inf if end is None else end, question.file)
        finally:
            telling.end()
    return 0


def _look(watch: Watch) -> None:
    for alert in watch.look():
        print_note(f"{moments.when(from_iso(alert.document['when']))}  {alert.document['text']}")


def _follow(watch: Watch, telling: Telling, every: float, end: float, path: str) -> None:
    """Look again and again until *end*, by the monotonic clock, and tell in between."""
    next_look, fault = time.monotonic() + every, ""
    while (now := time.monotonic()) < end:
        try:
            if now >= next_look:
                next_look = now + every
                _look(watch)
                fault = ""
            telling.start()
            telling.wait(min(next_look, end) - time.monotonic())
        except DatabaseError as error:
            if str(error) != fault:  # once, however long it lasts
                fault = str(error)
                tell(f"{error} The watch goes on." if os.path.exists(path) else f"{path} is gone: waiting for it.")
            time.sleep(max(0.0, min(next_look, end) - time.monotonic()))
    last = time.monotonic() + _END_SECONDS
    while telling.start() and telling.wait(last - time.monotonic()):
        pass
