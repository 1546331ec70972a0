"""What a story comes to in words, for all that show one."""

from .. import formatting
from .story import Story, StoryLine


def time_spent(story: Story) -> str:
    """Return a line that says where the time went."""
    spent = story.spent
    if spent.other_seconds is None:
        return "How long it took is not known."
    parts = []
    if spent.queue_seconds is not None:
        parts.append(f"waited {formatting.seconds(spent.queue_seconds)} in the queue")
    if spent.wait_seconds is not None:
        parts.append(f"{'' if parts else 'waited '}{formatting.seconds(spent.wait_seconds)} in the pool")
    if spent.calls:
        once = " (overlaps counted once)" if spent.calls > 1 else ""
        parts.append(
            f"{formatting.seconds(spent.call_seconds)} in {formatting.counted(spent.calls, 'model call')}{once}"
        )
    if spent.executions:
        more = " more" if spent.calls else ""
        within = formatting.counted(spent.executions, "execution")
        parts.append(f"{formatting.seconds(spent.within_seconds)}{more} in {within} within it")
    rest = "elsewhere" if spent.calls or spent.executions else "of its own work"
    parts.append(f"{formatting.seconds(spent.other_seconds)} {rest}")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def notes(story: Story) -> list[str]:
    """Return what the lines do not say."""
    said = []
    if story.late:
        last = formatting.seconds(story.late_seconds)
        said.append(f"{story.late:,} of what ran within it ended after it, the last {last} later.")
    unknown = sum(line.offset_seconds is None for line in story.lines)
    if unknown:
        said.append(f"The start of {formatting.counted(unknown, 'line')} is not known; no time is counted for them.")
    if story.attempts > 1:
        said.append(f"This is attempt {story.attempt:,} of {story.attempts:,}: the executions of one task id.")
    left_out = [
        formatting.counted(number, thing)
        for number, thing in ((story.omitted_executions, "execution"), (story.omitted_calls, "model call"))
        if number
    ]
    if left_out:
        more = "at least " if story.is_cut else ""
        said.append(f"Not shown: {more}{' and '.join(left_out)} within it, further in or shorter than these.")
    return said


def name(line: StoryLine) -> str:
    """Return what a line is called."""
    return f"attempt {line.attempt}" if line.kind == "attempt" else line.name


def start(seconds: float) -> str:
    """Return a time from the start of the execution: ``+1.2 s``; before it ``-1.2 s``."""
    if abs(seconds) < 0.0000005:
        return "0"
    return f"{'-' if seconds < 0 else '+'}{formatting.seconds(abs(seconds))}"


def length(line: StoryLine) -> str:
    """Return how long it took; ``unknown`` for a stand-in."""
    return formatting.seconds(line.seconds) if line.is_timed else "unknown"


def details(line: StoryLine) -> str | None:
    """Return what else is known of a line: where it ran, and of a model call its tokens."""
    known = [str(text) for text in (line.pool_type, line.model_tier) if text not in (None, "unknown")]
    if line.input_tokens is not None or line.output_tokens is not None:
        tokens = ("?" if count is None else f"{count:,}" for count in (line.input_tokens, line.output_tokens))
        known.append(" in, ".join(tokens) + " out")
    if line.first_chunk_seconds is not None:
        known.append(f"first part after {formatting.seconds(line.first_chunk_seconds)}")
    return ", ".join(known) or None
