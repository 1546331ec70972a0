"""How well executions of similar tasks are found, by words and by a small local model, and how long it takes."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics import SimilarExecution, similar_executions
from learning_instrument.rollups import search_index
from learning_instrument.sqlite.connection import WriteConnection

from .descriptions import INTENTS, others

THRESHOLDS: Final = (0.0, 0.1, 0.2, 0.3, 0.5)
_LIMIT: Final = 10


@dataclass(frozen=True)
class Found:
    """What the paraphrases of each intent found: the other four of it are right. Shares of 1."""

    way: str
    first_is_right: float
    nothing: float
    right: float
    #: Likeness -> the number that came, and the share of them that is right.
    by_likeness: dict[str, tuple[int, float]]


@dataclass(frozen=True)
class Timing:
    """Seconds of a question: the first; of later ones the median, and the median of the processor's."""

    way: str
    first: float
    later: float
    processor: float


def local_model() -> Callable[[list[str]], Any] | None:
    """Return ``embed`` of the model that is in the wheel of wordllama, or None where that is not installed."""
    try:
        import wordllama
    except ImportError:
        return None
    folder = Path(wordllama.__file__).parent
    embed: Callable[[list[str]], Any] = wordllama.WordLlama.load(cache_dir=folder, disable_download=True).embed
    return embed


def quality(embed: Callable[[list[str]], Any] | None) -> list[Found]:
    """Ask for each paraphrase among the others, by words and, where there is one, by *embed*."""
    with tempfile.TemporaryDirectory() as folder, LearningDatabase(Path(folder, "learning.db")) as database:
        asked = {text: number for number, texts in enumerate(INTENTS) for text in texts}
        database.append(ExecutionRecord(task_type="task", task_description=text) for text in (*asked, *others()))
        index_words(database)
        ways: dict[str, dict[str, Any]] = {f"words, threshold {least:g}": {"threshold": least} for least in THRESHOLDS}
        if embed is not None:
            ways |= {
                f"wordllama, threshold {least:g}": {"threshold": least, "embed": embed, "embed_model": "wordllama"}
                for least in THRESHOLDS
            }
        found = []
        for way, options in ways.items():
            answers = {
                text: [
                    (one, asked.get(one.task_description) == intent)
                    for one in similar_executions(database, text, limit=_LIMIT + 1, **options)
                    if one.task_description != text
                ][:_LIMIT]
                for text, intent in asked.items()
            }
            found.append(_judged(way, list(answers.values())))
        return found


def _judged(way: str, answers: list[list[tuple[SimilarExecution, bool]]]) -> Found:
    came = [each for answer in answers for each in answer]
    by_likeness = {}
    for likeness in ("close", "related", "far"):
        judged = [is_right for one, is_right in came if one.likeness == likeness]
        by_likeness[likeness] = (len(judged), sum(judged) / len(judged) if judged else 0.0)
    return Found(
        way,
        sum(bool(answer and answer[0][1]) for answer in answers) / len(answers),
        sum(not answer for answer in answers) / len(answers),
        sum(is_right for _, is_right in came) / len(came),
        by_likeness,
    )


def index_words(database: LearningDatabase) -> None:
    """Let the index of words catch up."""
    connection = WriteConnection(database.path, 5.0)
    while search_index.advance(connection, 10_000):
        pass
    connection.close()


def timings(embed: Callable[[list[str]], Any] | None, executions: int = 2000, rounds: int = 20) -> list[Timing]:
    """Ask 2,000 executions of different descriptions again and again."""
    ways: dict[str, dict[str, Any]] = {"words": {}}
    if embed is not None:
        ways["wordllama"] = {"embed": embed, "embed_model": "wordllama"}
    with tempfile.TemporaryDirectory() as folder, LearningDatabase(Path(folder, "learning.db")) as database:
        texts = (f"{text}, part {part}" for part in range(2) for text in others(executions // 2))
        database.append(ExecutionRecord(task_type="task", task_description=text) for text in texts)
        index_words(database)
        measured = []
        for way, options in ways.items():
            seconds, processor = [], []
            for _ in range(rounds + 1):
                start, clock = time.perf_counter(), time.process_time()
                similar_executions(database, "mend the scheduler of jobs", **options)
                seconds.append(time.perf_counter() - start)
                processor.append(time.process_time() - clock)
            measured.append(Timing(way, seconds[0], statistics.median(seconds[1:]), statistics.median(processor[1:])))
        return measured
