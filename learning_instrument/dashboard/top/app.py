"""The screen of ``top``, and its keys."""

import asyncio
import contextlib
import os
import shlex
import signal
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from ... import formatting
from ...errors import ConfigurationError
from ...safety.control_characters import one_line
from .panes import ERRORS, GROUPS, PANES, per_minute
from .reader import Failed, Opened, Reader, Story
from .state import WINDOWS, Asked, Look, Observer
from .widgets import Lines, PaneView, fitted

_INTERRUPTED: Final = 130
_TERMINATED: Final = 143


class Answered(Message):
    """The reader has an answer."""

    def __init__(self, answer: Look | Failed | Opened) -> None:
        super().__init__()
        self.answer = answer


class FilterInput(Input):
    """Where a filter is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Apply"),
        Binding("escape", "app.leave_filter", "Leave as it was"),
    ]


class StoryScreen(Screen[None]):
    """One execution, whole."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Back", key_display="q"),
        Binding("up,k", "scroll('up')", show=False),
        Binding("down,j", "scroll('down')", "Scroll", key_display="up, down"),
        Binding("pageup", "scroll('page_up')", show=False),
        Binding("pagedown,space", "scroll('page_down')", show=False),
        Binding("home,g", "scroll('home')", show=False),
        Binding("end,G", "scroll('end')", show=False),
    ]

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self._opened = opened

    def compose(self) -> ComposeResult:
        """Yield the text and the keys."""
        with VerticalScroll(can_focus=False):
            yield Static(markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_resize(self, event: Resize) -> None:
        """Lay the text out in the new width."""
        self.query_one(Static).update(Text.from_ansi(self._opened.text(), no_wrap=True))

    def action_scroll(self, where: str) -> None:
        """Scroll the text."""
        getattr(self.query_one(VerticalScroll), f"scroll_{where}")(animate=False)


class TopApp(App[int]):
    """Shows a database as it is filled.

    Args:
        observer: looks at the database.
        asked: what is shown at first; filters are typed in addition to these.
        name: that of the database.
        every: the seconds between two looks.
        story: asks about one execution.
        has_colours: whether the terminal gets any.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { overflow: hidden; }
    #head, #status { height: 1; }
    #status { height: auto; max-height: 8; }
    PaneView { height: 1fr; min-height: 2; }
    PaneView:focus { height: 3fr; }
    FilterInput { height: 1; border: none; padding: 0; display: none; }
    FilterInput:focus { border: none; }
    VerticalScroll { scrollbar-size: 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("ctrl+q", "leave", show=False, priority=True),
    ]

    def __init__(
        self, observer: Observer, asked: Asked, name: str, every: float, story: Story, has_colours: bool = True
    ) -> None:
        if not has_colours:
            os.environ["NO_COLOR"] = "1"  # textual asks for it as it begins
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self._reader = Reader(observer, asked, every, story, lambda answer: self.post_message(Answered(answer)))
        self._begun_with = asked
        self._asked = asked
        self._filter = ""
        self._file = name
        self._look: Look | None = None
        #: What went wrong; empty: nothing.
        self._fault = ""
        self._said = Text()
        #: Whether an answer is awaited.
        self.is_waiting = True

    def compose(self) -> ComposeResult:
        """Yield the head, the panes, the line of the filter, what is to be said, and the keys."""
        yield Lines(id="head")
        for pane in PANES:
            yield PaneView(pane)
        yield FilterInput(placeholder="NAME=VALUE, or words that a row has", select_on_focus=False)
        yield Static(id="status", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to look."""
        self._pane_before = self._views[0]
        self._pane_before.focus()
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for name, status in (("SIGINT", _INTERRUPTED), ("SIGTERM", _TERMINATED), ("SIGHUP", _TERMINATED)):
                with contextlib.suppress(AttributeError, NotImplementedError):  # Windows
                    loop.add_signal_handler(getattr(signal, name), self.exit, status)
        if not self._reader.start():
            self._fault = "The system starts no thread for this command: there are too many, or no memory is left."
        self._say()

    def on_unmount(self) -> None:
        """Look no more."""
        self._reader.stop()

    def on_resize(self, event: Resize) -> None:
        """Fit the lines into the new width."""
        self.call_after_refresh(self._say)

    def on_answered(self, message: Answered) -> None:
        """Show an answer."""
        answer = message.answer
        if isinstance(answer, Opened):
            self._fault, self.is_waiting = "", False
            self.push_screen(StoryScreen(answer))
        elif isinstance(answer, Failed):
            self._fault, self.is_waiting = answer.what, False
        elif answer.asked == self._asked:  # else another was asked for meanwhile
            self._look, self._fault, self.is_waiting = answer, "", False
            for view in self._views:
                view.show(answer)
        self._say()

    @property
    def _views(self) -> list[PaneView]:
        return list(self.screen_stack[0].query(PaneView))

    @property
    def _view(self) -> PaneView:
        """The pane that keys are for."""
        focused = self.screen_stack[0].focused
        return focused if isinstance(focused, PaneView) else self._pane_before

    def _say(self) -> None:
        """Show the first line, and the one of what is to be said."""
        if not self._views:
            return
        head = self.screen_stack[0].query_one("#head", Lines)
        look, width = self._look, head.size.width
        if look is not None:
            moment = look.moment.strftime("%H:%M:%S %Z")
            text = fitted(f"{one_line(self._file)}  {_totals(look)}", max(0, width - len(moment) - 1))
            head.put([[(f"{text} {moment}", "bold")]])
        said = [f"Last {WINDOWS[self._asked.window]}", f"sorted by {self._view.order}"]
        if self._filter:
            said.append(f"filter: {one_line(self._filter)}")
        if self._begun_with.selection.filters:
            said.append(str(self._begun_with.selection))
        if self.is_waiting:
            said.append("reading ...")
        notes = [self._fault] if self._fault else [*(look.notes if look else ())]
        line = one_line(" ".join(notes)) if notes else one_line("; ".join(said)) + "."
        status = Text(line, style="red" if self._fault else "yellow" if notes else "")
        if status != self._said:
            self._said = status
            self.screen_stack[0].query_one("#status", Static).update(status)

    def _ask(self, asked: Asked) -> None:
        self._asked, self.is_waiting, self._fault = asked, True, ""
        self._reader.look(asked)
        self._say()

    def on_descendant_focus(self) -> None:
        """Say how the pane is sorted that keys are for."""
        self._say()

    def action_sort(self) -> None:
        """Sort the pane by its next column."""
        self._view.sort_by_next()
        self._say()

    def action_reverse(self) -> None:
        """Sort the pane the other way round."""
        self._view.reverse()
        self._say()

    def action_window(self) -> None:
        """Take the next window."""
        windows = list(WINDOWS)
        window = windows[(windows.index(self._asked.window) + 1) % len(windows)]
        self._begun_with = Asked(self._begun_with.selection, window)
        self._set_filter(self._filter)

    def action_filter(self) -> None:
        """Let a filter be typed."""
        self._pane_before = self._view
        line = self.query_one(FilterInput)
        line.value = self._filter
        line.cursor_position = len(self._filter)
        line.display = True
        self.screen.set_focus(line)  # at once: what is typed next is for it

    def action_leave_filter(self) -> None:
        """Leave the filter as it was."""
        line = self.query_one(FilterInput)
        line.display = False
        self._pane_before.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Apply what was typed, or say what is wrong with it."""
        if self._set_filter(event.value):
            self.action_leave_filter()

    def action_clear(self) -> None:
        """Take the filter away."""
        if self._filter or self._fault:
            self._set_filter("")

    def _set_filter(self, text: str) -> bool:
        """Ask for what *text* says; tell whether it says something."""
        try:
            asked = self._begun_with.narrowed(text)
        except ConfigurationError as error:
            self._fault = str(error)
            self._say()
            return False
        self._filter = text.strip()
        self._ask(asked)
        return True

    def action_open(self) -> None:
        """Open the row under the cursor: an execution, the newest of an error, or a pool as a filter."""
        view = self._view
        row = view.chosen
        if row is None:
            return
        if view.pane is GROUPS:
            names = ("pool_type", "model_tier")
            chosen = [shlex.quote(f"{name}={value}") for name, value in zip(names, row.group, strict=True)]
            self._set_filter(" ".join(chosen))
        else:
            execution_ids = row.examples[:1] if view.pane is ERRORS else (row.execution_id,)
            for execution_id in execution_ids:  # of an error there may be none any more
                self.is_waiting = True
                self._reader.open(execution_id)
                self._say()

    def action_leave(self) -> None:
        """End."""
        self.exit(0)

    def action_interrupt(self) -> None:
        """End as every command does after Ctrl-C."""
        self.exit(_INTERRUPTED)


def _totals(look: Look) -> str:
    """Return what ran in the window, in one line."""
    executions = sum(group.executions for group in look.groups)
    if not executions:
        return f"no executions in the last {WINDOWS[look.asked.window]}"
    succeeded = sum(round(group.success.estimate * group.executions) for group in look.groups)
    minutes = look.asked.window.total_seconds() / 60
    return (
        f"{formatting.counted(executions, 'execution')}, {per_minute(executions / minutes)} per minute,"
        f" {formatting.share(succeeded / executions)} succeeded"
    )
