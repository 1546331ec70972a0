"""A headless Chromium, driven by playwright-core: pages opened, used as a reader uses them, looked at and measured."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
#: What Debian and others call it.
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
#: Everything that axe-core knows of WCAG 2.2 A and AA, and its advice.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
#: What surrounds the marks of a chart.
FRAME = ".c-axis, .c-grid, .c-label"


class NoBrowser(Exception):
    """Chromium, Node or a package from npm cannot be had here."""


class BrowserError(Exception):
    """Chromium could not do what it was asked to."""


class Ink(NamedTuple):
    """How much of an element is drawn: *pixels* have another colour than the most frequent one."""

    label: str
    colours: int
    pixels: int


class Violation(NamedTuple):
    """An element that breaks a rule of accessibility."""

    rule: str
    impact: str
    target: str
    html: str
    why: str


def _packages() -> Path:
    """Return a folder with the packages of ``package.json``; install them from npm where there is none yet."""
    wanted = (HERE / "package.json").read_text()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "learning-instrument-browser")
    folder.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of the tests may be installing them
        if complete.exists() and complete.read_text() == wanted:
            return folder
        (folder / "package.json").write_text(wanted)
        command = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=100)
        except FileNotFoundError:
            raise NoBrowser("npm is not installed") from None
        except subprocess.SubprocessError as error:
            raise NoBrowser(f"npm cannot install {wanted}: {error.stderr or error}") from None
        complete.write_text(wanted)
    return folder


class Browser(contextlib.AbstractContextManager["Browser"]):
    """A Chromium, which runs between ``with`` and its end.

    Raises:
        NoBrowser: if it cannot be started here.
    """

    def __init__(self) -> None:
        chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
        node = shutil.which("node")
        if not chromium or not node:
            raise NoBrowser(f"{'chromium' if node else 'node'} is not installed")
        self._process = subprocess.Popen(
            [node, HERE / "drive.mjs", _packages(), chromium], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __exit__(self, *exc_info: object) -> None:
        with self._process:
            pass  # closes its input, and waits

    def ask(self, call: str, **arguments: Any) -> Any:
        """Return what the driver answers to *call*.

        Raises:
            BrowserError: if it could not do it.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"call": call, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the browser has ended"}
        if "error" in answer:
            raise BrowserError(f"{call} {arguments}: {answer['error']}")
        return answer["value"]

    def open(
        self, address: str | Path, *, width: int = 1280, height: int = 800, dark: bool = False, scripts: bool = True
    ) -> "Page":
        """Return the page at *address*, a URL or a file, in a window that shares nothing with other ones."""
        url = address.resolve().as_uri() if isinstance(address, Path) else address
        return Page(self, self.ask("open", url=url, width=width, height=height, dark=dark, scripts=scripts))


class Page(contextlib.AbstractContextManager["Page"]):
    """A window with one page. Selectors are those of playwright: of CSS, or ``text=...``, ``role=...``."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser, self._number = browser, number

    def __exit__(self, *exc_info: object) -> None:
        self._ask("close")

    def _ask(self, call: str, **arguments: Any) -> Any:
        return self._browser.ask(call, page=self._number, **arguments)

    def goto(self, url: str) -> None:
        """Open another page in the same window."""
        self._ask("goto", url=url)

    def reload(self) -> None:
        """Load the page anew."""
        self._ask("reload")

    def read(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript in the page."""
        return self._ask("read", expression=expression)

    def wait(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true, at most half a minute."""
        self._ask("wait", expression=expression)

    def click(self, selector: str) -> None:
        """Click an element with the mouse."""
        self._ask("click", selector=selector)

    def press(self, *keys: str) -> None:
        """Press keys, such as ``Tab`` or ``Shift+Tab``."""
        for key in keys:
            self._ask("press", key=key)

    def type(self, text: str) -> None:
        """Type text into the focused element."""
        self._ask("type", text=text)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select element."""
        self._ask("choose", selector=selector, value=value)

    def print(self) -> None:
        """Show the page as it is printed."""
        self._ask("print")

    def pdf(self, path: Path) -> None:
        """Print the page into a file."""
        self._ask("pdf", path=str(path))

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what the window shows, or the whole page, as a PNG."""
        self._ask("screenshot", path=str(path), whole=whole)

    def picture(self, path: Path, selector: str) -> None:
        """Write the first element of *selector* as a PNG."""
        self._ask("picture", path=str(path), selector=selector)

    def ink(self, selector: str, without: str = "") -> list[Ink]:
        """Return how much of each visible element of *selector* is drawn, the elements of *without* hidden."""
        return [Ink(**found) for found in self._ask("ink", selector=selector, without=without)]

    def violations(self) -> list[Violation]:
        """Return what axe-core finds that is worse than minor, and what it cannot place."""
        found = [Violation(**each) for each in self._ask("accessibility", tags=RULES)]
        return [each for each in found if each.impact != "minor"]

    @property
    def faults(self) -> list[str]:
        """Errors and warnings of the console, among them those of the policy; errors of scripts; failed requests."""
        return list(self._ask("faults"))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What has been requested, each with its ``url`` and ``headers``."""
        return list(self._ask("requests"))

    @property
    def cookies(self) -> list[dict[str, Any]]:
        """The cookies of this window."""
        return list(self._ask("cookies"))
