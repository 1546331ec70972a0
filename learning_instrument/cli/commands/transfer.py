"""``export`` and ``import``: executions to and from files."""

import re
import shlex
from collections.abc import Sequence
from typing import Any, Final

import click

from ... import formatting
from ...errors import ConfigurationError
from ...sqlite.read_only import ReadOnlyDatabase
from ...storage.feedback import Visibility
from ...transfer import FORMATS, STDOUT, Conflict, ImportAnswer, UnreadFile, export_executions, import_executions
from ...transfer.anonymous import is_open_to_others
from ...transfer.exporting import Format
from ..options import C, FilePath, Question, reporting_command, tell_of_spill_files
from ..progress import progress_bar
from ..rendering import Output, csv_names, is_raw, is_terminal, print_csv, print_json, print_note, tell

#: Lines of each kind of complaint.
_SHOWN: Final = 10
#: The noun of what was passed over.
_plural: Final = re.compile(r"\b(span|line|object|group|request|value|member|call|cost)s\b")


def visibility_options(command: C) -> C:
    """Add ``--public-only`` and ``--include-private``."""
    public_only = click.option("--public-only", is_flag=True, help="Exclude feedback visible to the team.")
    include_private = click.option("--include-private", is_flag=True, help="Include private feedback.")
    return public_only(include_private(command))


def visibility_of(public_only: bool, include_private: bool) -> Visibility:
    """Return the most confidential feedback to include.

    Raises:
        ConfigurationError: if both options are given.
    """
    if public_only and include_private:
        raise ConfigurationError("--public-only and --include-private exclude each other; leave one out.")
    return "public" if public_only else "private" if include_private else "team"


@reporting_command("export")
@click.option(
    "--format", "chosen", type=click.Choice(FORMATS), help="The format.  [default: what the file's name says, or jsonl]"
)
@click.option(
    "--output", default=STDOUT, type=FilePath(), metavar="FILE", help="The file to write.  [default: standard output]"
)
@visibility_options
@click.option(
    "--anonymous-key-file",
    type=FilePath(),
    metavar="KEY_FILE",
    help="Write texts, names and ids as hashes under the key in a file, of at least 16 bytes.",
)
def export_command(
    question: Question,
    chosen: Format | None,
    output: str,
    public_only: bool,
    include_private: bool,
    anonymous_key_file: str | None,
) -> None:
    """Write executions to a file.

    jsonl, parquet and otlp have the columns of the table, feedback and model calls; csv has the columns, and a quote
    before text that a spreadsheet takes for a formula (--raw leaves it as it is). A collector takes otlp as it is. The
    file appears when it is whole. Feedback for the team or the public goes along.

    With --anonymous-key-file, rows still join and add up: the same text under the same key is the same hash.
    """
    visibility = visibility_of(public_only, include_private)
    if output == STDOUT and question.output is not Output.TEXT:
        raise ConfigurationError("--json and --csv set the format of the summary; use --format, or add --output FILE.")
    if output == STDOUT and chosen == "parquet" and is_terminal():
        raise ConfigurationError("Parquet is binary and cannot be printed on a terminal; add --output FILE.")
    tell_of_spill_files(question.file)
    with progress_bar() as progress:
        answer = export_executions(
            question.file,
            output,
            question.selection,
            format=chosen,
            visibility=visibility,
            raw=is_raw(),
            anonymous_key_file=anonymous_key_file,
            progress=progress,
        )
    if anonymous_key_file is not None and is_open_to_others(anonymous_key_file):
        tell(f"Other users can read the key: chmod 600 {shlex.quote(anonymous_key_file)}")
    if not answer.executions:
        with ReadOnlyDatabase(question.file) as database:
            question.explain_nothing(database)
    if output != STDOUT:
        feedback = f", {formatting.counted(answer.feedback, 'piece')} of feedback" if answer.feedback else ""
        tell_answer(
            question,
            answer,
            [
                f"Exported {formatting.counted(answer.executions, 'execution')}{feedback},"
                f" as {answer.format}, {'with hashes for texts and ids, ' if anonymous_key_file else ''}to {output}."
            ],
        )


@reporting_command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FilePath())
@click.option("--strict", is_flag=True, help="Exit with 1 if any execution was refused, or two files differ over one.")
def import_command(question: Question, files: tuple[str, ...], strict: bool) -> None:
    """Store executions from other databases and from files.

    A FILE is a database, Parquet, JSON or CSV of export, or OTLP's JSON with the spans of model calls, in lines or in
    one document; text may be compressed (gzip, Zstandard). A pattern in quotes ('fleet/day-??.db') means all files that
    match. What is stored already stays as it is, so an import that was interrupted is started again with the same
    command. A file that cannot be read is named, and the others are imported; the exit code is 1 then.
    """
    try:
        with progress_bar() as progress:
            answer = import_executions(question.file, files, question.selection, progress=progress)
    except KeyboardInterrupt:
        tell("Interrupted. Stored executions stay; run the same command again to import the rest.")
        raise
    tell_answer(question, answer, told_of_import(answer, question.file))
    tell_first([f"{each.file}, {each.place}: {each.reason}" for each in answer.refusals], answer.refused)
    tell_first([told_of_conflict(each) for each in answer.conflicting], answer.conflicts)
    tell_first([_reason(each) for each in answer.unread_files], answer.unread)
    if answer.unread or (strict and (answer.refused or answer.conflicts)):
        click.get_current_context().exit(1)


def tell_first(lines: Sequence[str], count: int) -> None:
    """Say the first of *lines* on standard error, and how many there are."""
    for line in lines[:_SHOWN]:
        tell(line)
    if count > _SHOWN:
        tell(f"... and {count - _SHOWN:,} more; --json names {len(lines)}.")


def told_of_conflict(conflict: Conflict) -> str:
    """Return what an import says of an execution that is there with other values."""
    columns = ", ".join(conflict.columns)
    return f"{conflict.execution_id} differs in {columns}: kept as in {conflict.kept}, not as in {conflict.left_out}"


def _reason(unread: UnreadFile) -> str:
    return unread.reason if unread.file in unread.reason else f"{unread.file}: {unread.reason}"


def told_of_import(answer: ImportAnswer, path: str) -> list[str]:
    """Return what an import says that it did."""
    more = {
        "already there": answer.already_there,
        "excluded by filters": answer.left_out,
        "refused": answer.refused,
    }
    counts = [f"{count:,} {what}" for what, count in more.items() if count]
    lines = [f"Stored {answer.stored:,} of {formatting.counted(answer.read, 'execution')} in {path}."]
    if counts:
        lines[0] = lines[0][:-1] + f"; {', '.join(counts)}."
    if not answer.read:
        lines = ["Found no executions."]
    if answer.conflicts:
        lines.append(
            f"{formatting.counted(answer.conflicts, 'conflict')}: already there with other values, which stay."
        )
    if answer.unread:
        lines.append(f"{formatting.counted(answer.unread, 'file')} of {answer.files + answer.unread:,} cannot be read.")
    if answer.model_calls:
        lines.append(f"Read {formatting.counted(answer.model_calls, 'model call')}.")
    if answer.feedback:
        lines.append(f"Stored {formatting.counted(answer.feedback, 'piece')} of feedback.")
    if answer.omitted:
        lines.append(f"Passed over {', '.join(_omitted(*found) for found in answer.omitted.items())}.")
    return lines


def _omitted(what: str, count: int) -> str:
    if count == 1:
        what = _plural.sub(r"\1", what, count=1).replace(" are ", " is ")
    return f"{count:,} {what}"


def tell_answer(question: Question, answer: Any, lines: Sequence[str]) -> None:
    """Print an answer: as *lines*, or in the format that the question asks for."""
    if question.output is Output.JSON:
        print_json(answer)
    elif question.output is Output.CSV:
        print_csv([answer], csv_names(type(answer)))
    else:
        for line in lines:
            print_note(line)
