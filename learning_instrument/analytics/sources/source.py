"""What analytics asks of an engine: rows of executions, sums of groups of them, failures by message, words.

A question is written once, and knows no engine. Rows are asked for in SQLite's SQL, over ``executions``,
``model_calls`` and ``feedback``: selected, ordered and limited.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from ...sqlite.selection import Parameters, Queryable, Selection
from . import sqlite_cubes, sqlite_failures
from .cube_rows import CubeQuestion, LargestGroups
from .failures import NOT_MASKED, Failures
from .sqlite_words import SQLiteWords
from .words import Frequencies, WordList


class Source(ABC):
    """Answers everything that questions are made of. Each method raises a DatabaseError where it cannot."""

    @abstractmethod
    def query(self, sql: str, parameters: Parameters = (), /) -> list[dict[str, Any]]:
        """Return the rows of a question in SQL, column name -> value."""

    @abstractmethod
    def name(self) -> str:
        """Return what the database is called in a title."""

    @abstractmethod
    def size(self) -> int:
        """Return the size of all that is stored, in bytes."""

    @abstractmethod
    def groups(self, question: CubeQuestion) -> LargestGroups:
        """Return the totals of each group of executions, in the groups' order."""

    @abstractmethod
    def has_cube(self, by: Sequence[str], selection: Selection) -> bool:
        """Tell whether such sums are kept; else the executions are read for them."""

    @abstractmethod
    def failures(self, selection: Selection) -> list[Failures]:
        """Return the failures until the end of *selection* that pass its filters; the places are of its time alone."""

    @abstractmethod
    def failure_columns(self) -> str:
        """Return SQL of four columns of a failure, the first of a row: what ``message_of`` takes."""

    @abstractmethod
    def frequencies(self, words: Iterable[str]) -> Frequencies:
        """Return about how many executions have each of *words* in their description."""

    @abstractmethod
    def described(self, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
        """Return the descriptions of executions with the most weight of *lists*, by their rowids."""


class _SQLiteSource(Source):
    """A SQLite file: a LearningDatabase, or any object with its ``query``."""

    def __init__(self, database: Queryable) -> None:
        self.database = database
        self._words = SQLiteWords(database)

    def query(self, sql: str, parameters: Parameters = (), /) -> list[dict[str, Any]]:
        return self.database.query(sql, parameters)

    def name(self) -> str:
        (row,) = self.query("SELECT file FROM pragma_database_list WHERE name = 'main'")
        return os.path.basename(str(row["file"]))

    def size(self) -> int:
        (row,) = self.query("SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()")
        return int(row["bytes"])

    def groups(self, question: CubeQuestion) -> LargestGroups:
        return sqlite_cubes.groups(self.database, question)

    def has_cube(self, by: Sequence[str], selection: Selection) -> bool:
        return sqlite_cubes.cube_for(self.database, by, selection) is not None

    def failures(self, selection: Selection) -> list[Failures]:
        return sqlite_failures.failures(self.database, selection)

    def failure_columns(self) -> str:
        return NOT_MASKED

    def frequencies(self, words: Iterable[str]) -> Frequencies:
        return self._words.frequencies(words)

    def described(self, lists: Sequence[WordList], selection: Selection) -> dict[int, str]:
        return self._words.described(lists, selection)


def source_of(database: Queryable) -> Source:
    """Return *database* if it is a source, else that of a SQLite file."""
    return database if isinstance(database, Source) else _SQLiteSource(database)
