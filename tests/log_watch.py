"""Watches how long a write-ahead log becomes."""

import os
import threading
from pathlib import Path
from typing import Final

_LOOK_SECONDS: Final = 0.002


class LogWatch(threading.Thread):
    """Sees how long the write-ahead log of the database at *path* becomes, as long as the block runs."""

    def __init__(self, path: "str | Path") -> None:
        super().__init__(daemon=True)
        self._log = f"{path}-wal"
        self._is_over = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        """Look again and again."""
        while not self._is_over.wait(_LOOK_SECONDS):
            try:
                self.bytes = max(self.bytes, os.stat(self._log).st_size)
            except FileNotFoundError:
                continue

    def __enter__(self) -> "LogWatch":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_over.set()
        self.join()
