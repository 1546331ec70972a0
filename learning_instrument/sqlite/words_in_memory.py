"""An index of words in memory, for executions that the search index of their file lacks."""

import sqlite3
from collections.abc import Iterable


class WordsInMemory:
    """Finds rows by their words, which are told apart as the search index of a file tells them apart."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        # As m008_search makes it, but that it keeps no texts.
        self._connection.execute("CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0)")

    def __del__(self) -> None:
        self._connection.close()

    def add(self, texts: Iterable[tuple[int, str]]) -> None:
        """Index rows: their ids, which grow, and their texts."""
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", texts)
        self._connection.execute("COMMIT")

    def newest(self, match: str, limit: int) -> list[int]:
        """Return the highest ids, up to *limit* of them, that *match*, in the words of FTS5; the highest first."""
        found = self._connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?", (match, limit)
        )
        return [row for (row,) in found]
