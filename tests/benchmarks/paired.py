"""How long each question takes beside another version of this package, on the same file, one after the other.

    python -m tests.benchmarks.paired FOLDER [--rows N | --file FILE] [--rounds N]

FOLDER is a checkout of the other version. Each version answers in a process of its own, which keeps the file open.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Pair:
    """The seconds of processor time that one question took, round by round."""

    question: str
    before: Sequence[float]
    after: Sequence[float]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios: a busy moment of the machine hits both."""
        return statistics.median(after / before for before, after in zip(self.before, self.after, strict=True))


class Version:
    """A version of this package that answers questions about a file."""

    def __init__(self, folder: Path, file: Path) -> None:
        searched = os.pathsep.join(map(str, (folder, _ROOT / "tests")))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.paired", "--answer", str(file), str(folder)],
            env=os.environ | {"PYTHONPATH": searched},
            cwd=_ROOT / "tests",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.questions: list[str] = self._read()

    def seconds(self, question: str) -> float:
        """Ask one question; return the seconds that the answer took."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return float(self._read())

    def close(self) -> None:
        """End it."""
        self._process.communicate("")

    def _read(self) -> "list[str] | float":
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def measure(other: Path, file: Path, rounds: int) -> Iterator[Pair]:
    """Yield the times of each question, of the *other* version and of this one."""
    before, after = Version(other, file), Version(_ROOT, file)
    try:
        for question in after.questions:
            times: list[tuple[float, float]] = []
            for turn in range(rounds + 1):
                order = (before, after) if turn % 2 else (after, before)
                taken = {version: version.seconds(question) for version in order}
                times.append((taken[before], taken[after]))
            yield Pair(question, *zip(*times[1:], strict=True))
    finally:
        before.close()
        after.close()


def answer(file: str, folder: str) -> None:
    """Answer what is asked on standard input: the name of a question, a line each."""
    import learning_instrument
    from learning_instrument.sqlite.read_only import ReadOnlyDatabase

    from .questions import questions

    assert Path(learning_instrument.__file__).is_relative_to(folder), learning_instrument.__file__
    with ReadOnlyDatabase(file) as database:
        asked = questions(database)
        print(json.dumps([*asked]), flush=True)
        for line in sys.stdin:
            began = time.process_time()
            asked[line.strip()](database)
            print(json.dumps(time.process_time() - began), flush=True)


def main() -> None:
    """Measure, and print a row for each question."""
    from .answers import database_of

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.paired", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a checkout of the other version")
    parser.add_argument("--rows", type=int, default=100_000, help="of a file made once (default: 100000)")
    parser.add_argument("--file", type=Path, help="a file in place of that")
    parser.add_argument("--rounds", type=int, default=9, help="of each question (default: 9)")
    given = parser.parse_args()
    print(f"{'question':45} {'before, ms':>10} {'after, ms':>10} {'ratio':>6}")
    ratios = []
    for pair in measure(given.folder.resolve(), given.file or database_of(given.rows), given.rounds):
        medians = [1000 * statistics.median(times) for times in (pair.before, pair.after)]
        print(f"{pair.question:45} {medians[0]:10.2f} {medians[1]:10.2f} {pair.ratio:6.2f}", flush=True)
        ratios.append(pair.ratio)
    print(f"{'median of all ratios':67} {statistics.median(ratios):6.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--answer"]:
        answer(*sys.argv[2:])
    else:
        main()
