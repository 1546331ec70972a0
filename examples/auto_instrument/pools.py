"""The application's pool: a class with an ``execute_task``."""

import hashlib
from typing import Any


class HashPool:
    """Hashes texts."""

    def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return the hash of the task's prompt, or what kept us from it."""
        try:
            output = hashlib.new(task["task_type"], task["prompt"].encode()).hexdigest()
        except ValueError as error:  # no such hash, or no valid text
            return {"success": False, "error": str(error)}
        return {"success": True, "output": output}
