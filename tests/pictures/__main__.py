"""Make the pictures of the documentation anew: python -m tests.pictures

They show a database of weeks with an outage, as it is written for the tests; Chromium takes them, see tests/browser.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ..analytics.weeks import NOW, build
from ..browser.chromium import Browser
from ..fresh import ROOT, variables

FOLDER: Final = ROOT / "docs" / "pictures"
COMMAND: Final = Path(sys.executable).with_name("learning-instrument")
#: The execution that has most to tell.
_STORY: Final = """
    SELECT execution_id FROM model_calls JOIN executions USING (execution_id)
    WHERE NOT success GROUP BY execution_id ORDER BY count(*) DESC, executions.timestamp DESC LIMIT 1"""


def main() -> None:
    """Write each picture."""
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, Browser() as browser:
        database = Path(build(Path(folder, "learning.db"), "outage"))
        report = _made(database, "report", "--until", NOW.isoformat())
        with browser.open(report) as page:
            page.screenshot(FOLDER / "report.png")
            page.read("document.querySelector('main .cards > :nth-child(2)').scrollIntoView()")
            page.screenshot(FOLDER / "report-charts.png")
        with browser.open(report, dark=True) as page:
            page.screenshot(FOLDER / "report-dark.png")
        with browser.open(report, width=390, height=844) as page:
            page.screenshot(FOLDER / "report-phone.png")
        with closing(sqlite3.connect(database)) as connection:
            ((identifier,),) = connection.execute(_STORY)
        with browser.open(_made(database, "show", identifier), height=640) as page:
            page.screenshot(FOLDER / "execution.png")
    for picture in sorted(FOLDER.glob("*.png")):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size:,} bytes")


def _made(database: Path, command: str, *arguments: str) -> Path:
    """Return the page that a command writes of *database*."""
    file = database.with_name(f"{command}.html")
    words = [COMMAND, command, *arguments, "--database", database, "--out", file]
    subprocess.run(words, env=variables(), check=True, capture_output=True, text=True)
    return file


if __name__ == "__main__":
    main()
