"""One Chromium for all tests of a process, and what it looks at. Without Chromium they are skipped, and say why."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from analytics.weeks import NOW, build
from fresh import variables

from .chromium import Browser, NoBrowser

COMMAND = Path(sys.executable).with_name("learning-instrument")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        started = Browser()
    except NoBrowser as error:
        pytest.skip(str(error))
    with started:
        yield started


@pytest.fixture(scope="session")
def database_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what gives the database of a kind; written once."""

    @cache
    def database(kind: str) -> Path:
        return Path(build(tmp_path_factory.mktemp("databases") / f"{kind}.db", kind, executions_per_day=40))

    return database


@pytest.fixture(scope="session")
def report_of(database_of: Callable[[str], Path]) -> Callable[[str], Path]:
    """Return what gives the report of a kind of database; made once."""

    @cache
    def report(kind: str) -> Path:
        database = database_of(kind)
        file = database.with_suffix(".html")
        command = [COMMAND, "report", "--database", database, "--until", NOW.isoformat(), "--out", file]
        subprocess.run(command, env=variables(), check=True, capture_output=True, text=True, timeout=60)
        return file

    return report
