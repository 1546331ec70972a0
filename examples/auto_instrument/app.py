"""An application that knows nothing of learning_instrument. README.md, beside it, has the command that records it."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from pools import HashPool

TEXTS = ("", "abc", "The quick brown fox jumps over the lazy dog", "\N{PILE OF POO}", "not\ud800valid")


def main() -> None:
    pool = HashPool()
    tasks = [{"task_type": name, "prompt": text} for name in ("md5", "sha256", "whirl") for text in TEXTS]
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(pool.execute_task, tasks))
    for name in ("md5", "sha256", "whirl"):
        done = [result for task, result in zip(tasks, results, strict=True) if task["task_type"] == name]
        print(f"{name}: {sum(result['success'] for result in done)} of {len(done)} hashed")
    assert results[1]["output"] == hashlib.md5(b"abc").hexdigest()


if __name__ == "__main__":
    main()
