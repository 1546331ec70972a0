"""What users of other tools reported in public, and the tests that hold the same kind here.

``python -m tests.e2e.reports`` runs these tests, the slow ones too, and prints the table of docs/explanation/reports.md
with what came of it.
"""

import contextlib
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
HELD, BROKEN, NOT_TRIED = "yes", "no", "not tried here"


class Report(NamedTuple):
    """One public thread."""

    repository: str
    number: int
    #: What its users met.
    met: str
    #: Ids of the tests that hold the same kind here.
    tests: tuple[str, ...]

    @property
    def cells(self) -> list[str]:
        """Its row in the documentation."""
        name = f"{self.repository}#{self.number}"
        link = f"[{name}](https://github.com/{self.repository}/issues/{self.number})"
        return [link, self.met, ", ".join(f"`{test}`" for test in self.tests)]


def held_by(tests: str, *reports: tuple[str, int, str]) -> list[Report]:
    """Return *reports* of one kind, which *tests* hold; the path of a test is below ``tests/``."""
    ids = tuple(f"tests/{test}" for test in tests.split())
    return [Report(repository, number, met, ids) for repository, number, met in reports]


# A report is a line.
# ruff: noqa: E501
# fmt: off
HARMLESS = (
    *held_by(
        "test_harmless.py::test_an_async_generator_that_is_left_is_closed_by_its_event_loop"
        " test_harmless.py::test_a_consumer_sees_nothing_of_the_generators_context",
        ("open-telemetry/opentelemetry-python", 2606, "A generator that is not finished logs that the context could not be detached."),
        ("google/adk-python", 4894, "Leaving the loop over an agent's events early logs errors of the tracing."),
        ("google/adk-python", 6559, "Each run that stops at the final answer logs an error, and sets off alerts."),
        ("Arize-ai/openinference", 1769, "`break`, `return` or an exception in `async for` logs that a token is of another context."),
        ("agno-agi/agno", 3220, "A stream that is left and collected later logs that the context could not be detached."),
    ),
    *held_by(
        "test_harmless.py::test_async_generators_play_every_script_alike"
        " recording/test_drivers.py::test_a_generator_runs_within_its_execution_from_the_first_step",
        ("langfuse/langfuse", 7226, "A decorated asynchronous generator is recorded as an object, without its items."),
        ("langfuse/langfuse", 8447, "Within a decorated asynchronous generator there is no current trace."),
    ),
    *held_by(
        "test_harmless.py::test_an_awaitable_is_returned_as_it_is recording/test_results.py::test_what_is_no_coroutine_alone_is_returned_as_it_is",
        ("DataDog/dd-trace-py", 12562, "A stream comes back as another class, and `isinstance` in a library above fails."),
        ("Azure/azure-sdk-for-python", 48646, "A raw response comes back in a wrapper that lacks its methods."),
        ("Arize-ai/openinference", 3577, "A streamed result comes back as a bare generator, which the traced library itself refuses."),
    ),
    *held_by(
        "recording/test_results.py::test_futures_of_dask_are_returned_and_followed recording/test_results.py::test_a_future_of_another_library_is_followed",
        ("proxystore/taps", 113, "Futures of dask are no `concurrent.futures.Future`, and are taken for plain values."),
    ),
    *held_by(
        "recording/test_results.py::test_coroutines_of_cython_are_timed",
        ("cython/cython", 2092, "`inspect` does not know a compiled function as a coroutine function."),
        ("cython/cython", 2273, "Frameworks that ask `asyncio.iscoroutinefunction` do not await compiled functions."),
    ),
    *held_by(
        "instrumentation/test_recorded_function.py::test_a_weak_method_records instrumentation/test_recorded_function.py::test_signals_of_celery_reach_recorded_methods",
        ("GrahamDumpleton/wrapt", 154, "A weak reference to a decorated method cannot be called; Django's signals hold such ones."),
        ("kivy/kivy", 7007, "A weak reference cannot be made of a decorated method."),
    ),
    *held_by(
        "instrumentation/test_decorator.py::test_function_pickles_by_its_name instrumentation/test_decorator.py::test_methods_pickle"
        " e2e/test_lossless.py::test_process_pool_executor_children_record",
        ("GrahamDumpleton/wrapt", 158, "A decorated function cannot be sent to a process of `multiprocessing`."),
        ("itamarst/eliot", 343, "Decorated functions do not pickle."),
        ("getappmap/appmap-python", 202, "An instrumented function cannot be the target of a `multiprocessing` process."),
    ),
    *held_by(
        "instrumentation/test_decorator.py::test_function_copies_to_itself instrumentation/test_decorator.py::test_pools_pickle_and_copy",
        ("bmabey/provenance", 52, "Copying a wrapped object raises NotImplementedError."),
    ),
    *held_by(
        "instrumentation/test_decorator.py::test_signature_names_and_type_hints_stay",
        ("honeycombio/beeline-python", 197, "A decorated function shows `*args, **kwargs` to `inspect.signature`."),
        ("getsentry/sentry-python", 3177, "`inspect.getcallargs` gives other arguments for a decorated function."),
    ),
    *held_by(
        "test_typing.py::test_decorated_functions_keep_their_types",
        ("aws-powertools/powertools-lambda-python", 465, "mypy accepts any call of a decorated function."),
        ("DataDog/dd-trace-py", 13637, "Type checkers see `Any` as the result of a decorated function."),
    ),
    *held_by(
        "instrumentation/adapters/test_executors.py::test_submitting_execution_is_the_parent"
        " instrumentation/adapters/test_executors.py::test_hosts_trace_is_propagated",
        ("newrelic/newrelic-python-agent", 1325, "Functions in a thread pool are no children of the span that submits them."),
    ),
    *held_by(
        "test_harmless.py::test_odd_objects_make_no_difference safety/test_sanitize.py::test_json_of_odd_objects_is_valid_and_fits",
        ("deepset-ai/haystack-core-integrations", 2798, "A tracer that goes through a mock object fills the memory."),
        ("DataDog/dd-trace-py", 2660, "Objects with a reference to themselves cannot be encoded."),
    ),
    *held_by(
        "test_harmless.py::test_task_and_result_are_freed_as_they_are_without_us",
        ("getsentry/sentry-python", 434, "An instrumented thread is part of a reference cycle, and a process pool fails at exit."),
    ),
    *held_by(
        "storage/test_reentry.py::test_code_run_in_the_middle_of_ours_neither_hangs_nor_loses"
        " storage/test_reentry.py::test_log_handler_may_ask_record_and_raise",
        ("getsentry/sentry-python", 803, "A destructor that logs while the queue's lock is held hangs every thread."),
        ("getsentry/sentry-python", 5586, "A destructor that runs while a lock of the tracer is held hangs the process."),
        ("Delgan/loguru", 712, "Logging in `__del__` hangs when the collection happens within a handler."),
        ("getsentry/sentry-python", 3753, "Two libraries, one of which logs within a lock that the other records, hang."),
    ),
    *held_by(
        "safety/test_forks.py::test_lock_of_another_thread_is_free_in_the_child e2e/test_lossless.py::test_forking_while_others_record_loses_nothing",
        ("getsentry/sentry-python", 6159, "A child inherits a lock that another thread held, and hangs."),
    ),
    *held_by(
        "e2e/test_schedulers.py::test_greenlets_of_a_patched_process_share_the_store",
        ("open-telemetry/opentelemetry-python", 3886, "Under gevent all requests wait for the lock of the span processor."),
        ("open-telemetry/opentelemetry-python", 4345, "Under gevent workers hang in the storage of the metrics."),
    ),
    *held_by(
        "test_harmless.py::test_a_lock_that_others_hold_is_not_waited_for test_harmless.py::test_a_database_that_cannot_be_written_is_not_noticed",
        ("open-telemetry/opentelemetry-python", 2024, "Requests wait minutes for a collector that is down."),
    ),
    *held_by(
        "test_harmless.py::test_what_no_longer_fits_into_the_queue_is_dropped_and_counted",
        ("census-instrumentation/opencensus-python", 590, "Spans come faster than they are exported, until the memory is used up."),
        ("DataDog/dd-trace-py", 972, "Without an agent the queue grows without bound or word."),
    ),
    *held_by(
        "costs/test_live_calls.py::test_spans_that_never_end_are_bounded costs/test_live_calls.py::test_nothing_is_remembered_of_spans_that_ended",
        ("langchain-ai/langsmith-sdk", 1979, "Spans that never end stay in memory."),
        ("google/adk-python", 6692, "Each span of a long-lived server stays in memory."),
    ),
    *held_by(
        "e2e/test_odd_variables.py::test_refused_variable_is_ignored_with_one_line",
        ("open-telemetry/opentelemetry-python-contrib", 1743, "A propagator that is not installed ends the application at an import."),
    ),
)

LOSSLESS = (
    *held_by(
        "e2e/test_upgrades.py::test_releases_write_read_and_fork_on_one_file sqlite/test_migrations.py::test_steps_only_add_or_say_so",
        ("BerriAI/litellm", 6124, "While an upgrade rolls out, the old release fails on the new one's schema."),
        ("pgadmin-org/pgadmin4", 9940, "A newer release migrates the shared file, and the older one beside it fails."),
    ),
    *held_by(
        "test_database.py::test_processes_that_make_the_file_at_once_all_open_it sqlite/test_busy.py::test_long_migration_of_another_process_is_waited_for",
        ("curie-eng/curie", 2216, "Two processes migrate one database at their start, and neither starts again."),
    ),
    *held_by(
        "storage/test_files.py::test_copy_of_the_file_of_an_idle_process_has_the_rows sqlite/test_backup.py::test_backup_has_the_queue_and_the_log",
        ("praeclarum/sqlite-net", 792, "A copy of the file lacks the newest rows, which are in its log."),
        ("tkraljevic/goEMM", 11, "A copy made before an import is an empty file of 4 kB."),
    ),
    *held_by(
        "sqlite/test_backup.py::test_backup_command_copies_a_database_in_use",
        ("simonw/llm", 879, "A command is asked for that copies the log database into a new file."),
    ),
    *held_by(
        "storage/test_files.py::test_log_that_a_reader_held_is_moved_once_it_is_gone test_database.py::test_log_is_moved_into_the_database_in_the_background",
        ("superseriousbusiness/gotosocial", 2808, "The write-ahead log grows to gigabytes beside the file."),
        ("openclaw/openclaw", 112950, "A log that a reader held stays at its greatest size until a restart."),
        ("abeggled/openbridgeserver", 908, "The log grows until the disk is full."),
    ),
    *held_by(
        "storage/test_files.py::test_what_another_program_does_to_the_files_loses_nothing_uncounted",
        ("holon-run/holon", 2850, "Log and index are deleted while in use; processes see two databases from then on."),
        ("nfrastack/db-backup", 423, "A backup deletes the index of the log; the application needs a restart."),
        ("WiseLibs/better-sqlite3", 1237, "After its files are deleted a process writes on without an error, for nothing."),
    ),
    *held_by(
        "storage/test_files.py::test_damaged_database_is_set_aside_by_the_next_process_that_writes maintenance/test_recovery.py::test_rows_of_undamaged_pages_come_back",
        ("DeusData/codebase-memory-mcp", 557, "A file that a check at start finds damaged is deleted without a word."),
    ),
    *held_by(
        "maintenance/test_full_disk.py::test_prune_makes_room maintenance/test_full_disk.py::test_questions_are_answered",
        ("osmdroid/osmdroid", 1171, "On a full disk nothing can be deleted from the database either."),
    ),
    *held_by(
        "test_harmless.py::test_a_lock_that_others_hold_is_not_waited_for e2e/test_lossless.py::test_eight_processes_of_eight_threads_lose_nothing",
        ("gradio-app/trackio", 133, "A run beside the dashboard ends with `database is locked`."),
        ("Arize-ai/phoenix", 3949, "Writes at the same time fail with `database is locked`."),
        ("t8y2/dbx", 6990, "A quarter of the writes of two processes fail at once, with any time limit."),
    ),
    *held_by(
        "storage/test_announced_rounds.py::test_program_with_a_wrong_clock_leaves_the_file_as_it_is",
        ("Tr3kkR/Yuzu", 2361, "A clock that is wrong once deletes everything that is retained, and the log shows nothing."),
    ),
    *held_by(
        "e2e/test_foreign_forks.py::test_workers_of_uwsgi_record",
        ("open-telemetry/opentelemetry-python", 2266, "Workers of uWSGI export no spans: the hook of the fork is not called."),
    ),
    *held_by(
        "e2e/test_lossless.py::test_multiprocessing_children_record recording/test_forking_tasks.py::test_record_of_a_task_that_forks_is_the_parents",
        ("DataDog/dd-trace-py", 1184, "Spans of a forked child are lost when a span of the parent was open."),
    ),
    *held_by(
        "e2e/test_lossless.py::test_queue_is_the_parents_after_a_fork",
        ("DataDog/dd-trace-py", 18645, "A forked child sends what its parent had queued; traces arrive twice."),
    ),
    *held_by(
        "e2e/test_ends.py::test_what_returned_is_kept instrumentation/adapters/test_celery.py::test_each_run_is_one_execution",
        ("open-telemetry/opentelemetry-python-contrib", 4916, "A recycled child of celery takes its spans with it: 1 of 10 arrives."),
        ("open-telemetry/opentelemetry-python", 970, "Spans within tasks of a forked worker are printed and never arrive."),
    ),
    *held_by(
        "e2e/test_lossless.py::test_execution_of_an_exit_handler_after_ours_is_recorded e2e/test_lossless.py::test_batch_mode_is_flushed_at_exit",
        ("open-telemetry/opentelemetry-python", 5568, "At exit the buffer is not written, since its threads have ended before."),
        ("python/cpython", 113964, "Handlers at exit cannot start threads any more."),
    ),
    *held_by(
        "safety/test_threads.py::test_task_that_ends_while_the_interpreter_shuts_down_is_recorded",
        ("python/cpython", 87950, "Starting a thread in `__del__` at interpreter shutdown never returns."),
    ),
    *held_by(
        "storage/test_spill.py::test_rows_behind_anothers_lock_are_kept_when_the_process_ends"
        " storage/test_background_writer.py::test_end_spills_the_batch_of_a_write_that_hangs",
        ("openai/openai-agents-python", 3343, "Exports that fail or hang keep the process from ending."),
        ("open-telemetry/opentelemetry-python", 2284, "A process does not end, for the shutdown of the tracing waits."),
    ),
    *held_by(
        "test_harmless.py::test_tasks_that_seed_the_random_generator_are_rows_of_their_own test_harmless.py::test_a_seeded_application_computes_the_same",
        ("open-telemetry/opentelemetry-python", 2974, "`random.seed()` in the program gives two transactions one trace id."),
        ("Arize-ai/openinference", 1009, "Ids of spans depend on the application's seed."),
    ),
    *held_by(
        "test_harmless.py::test_no_pair_of_task_and_result_makes_a_difference test_harmless.py::test_hostile_executions_lose_no_neighbour_on_their_way_to_a_collector",
        ("mlflow/mlflow", 24123, "Half of an emoji in one span makes a whole batch of traces unreadable."),
        ("open-telemetry/opentelemetry-python", 3677, "One value of None loses the batch that it is in."),
        ("open-telemetry/opentelemetry-python", 3535, "An integer beyond 64 bits cannot be encoded."),
    ),
    *held_by(
        "safety/test_sanitize.py::test_json_is_valid_and_fits",
        ("future-agi/future-agi", 1028, "One infinite number drops a batch of 50 spans, without a word."),
        ("langfuse/langfuse", 16048, "NaN within a model makes JSON that the server refuses."),
    ),
)

HONEST = (
    *held_by(
        "recording/test_judging.py::test_words_of_results_count",
        ("Datus-ai/Datus-agent", 1248, "Tools that return `success=0` and an error are traced as successes."),
        ("open-telemetry/opentelemetry-python-genai", 587, "A result of `status=\"failure\"` leaves the span without an error."),
    ),
    *held_by(
        "test_harmless.py::test_a_cancelled_task_is_recorded_as_cancelled recording/test_execution.py::test_status_follows_the_outcome",
        ("run-llama/llama-agents", 390, "Steps of a workflow that the user cancels are reported as errors."),
        ("agentscope-ai/agentscope", 1618, "The span of a cancelled call never ends."),
        ("open-telemetry/opentelemetry-python-genai", 520, "A cancelled operation looks like one that completed."),
    ),
    *held_by(
        "test_harmless.py::test_a_cancelled_future_is_recorded_as_cancelled",
        ("open-telemetry/opentelemetry-python-contrib", 2460, "The callback of a cancelled future raises CancelledError in the event loop."),
    ),
    *held_by(
        "instrumentation/adapters/test_celery.py::test_outcome_is_what_happened_in_the_run test_outcome.py::test_retry_is_judged_by_what_it_was_raised_for",
        ("DataDog/dd-trace-py", 630, "Retries of celery are marked as errors."),
        ("chrisguidry/docket", 136, "Tasks that fail and are retried are marked as successes."),
    ),
    *held_by(
        "cli/commands/test_executions.py::test_unknown_cost_is_never_zero costs/test_prices.py::test_call_without_a_price_is_unpriced",
        ("knostic/OpenAnt", 216, "A model without an entry in the list of prices costs nothing in every report."),
        ("alexgreensh/token-optimizer", 150, "An unknown model costs $0.00, as if it were free."),
    ),
    *held_by(
        "costs/test_execution_totals.py::test_cost_source_says_what_the_sum_is_made_of",
        ("Javis603/token-monitor", 732, "A sum of which parts have no price looks complete."),
    ),
    *held_by(
        "instrumentation/test_instrumentor.py::test_instrumenting_twice_records_once",
        ("truera/trulens", 2603, "A method that is instrumented twice makes two spans for one call."),
    ),
    *held_by(
        "recording/test_execution.py::test_super_is_recorded_once instrumentation/test_instrumentor.py::test_present_and_future_subclasses_are_recorded_once",
        ("Arize-ai/openinference", 2119, "A method and the one it overrides make two spans for one call."),
    ),
    *held_by(
        "costs/test_live_calls.py::test_call_within_a_call_counts_once",
        ("Arize-ai/openinference", 2101, "Two instrumentations in one application make two spans of each call of a model."),
    ),
    *held_by(
        "recording/test_execution.py::test_span_is_as_long_as_the_task_though_the_clock_is_set_back",
        ("openobserve/openobserve", 14368, "A span that ends before it starts is 585 million years long."),
    ),
)

DOORS = (
    *held_by(
        "recording/test_contents.py::test_no_field_of_a_task_or_a_result_keeps_a_secret e2e/test_collector.py::test_no_secret_leaves_the_application",
        ("pymc-labs/decision-hub", 282, "The key in a URL is in the exception's text, and so in the log."),
        ("BerriAI/litellm", 31342, "A client's error message repeats the key that was asked for."),
        ("guardrails-ai/guardrails", 1213, "A key that is passed as an argument is in the trace."),
        ("sarvamai/sarvam-mcp", 86, "Keys are hidden by their names, and sent within error texts."),
    ),
    *held_by(
        "recording/test_contents.py::test_id_that_holds_a_secret_counts_as_missing",
        ("utksh1/SecuScan", 1758, "An identity is made of the raw key, and turns up in logs."),
    ),
    *held_by(
        "test_database.py::test_new_files_are_the_owners_alone",
        ("latchset/custodia", 48, "Every user can read the database."),
        ("librefang/librefang", 5420, "Database, log and index are made with the mode of the umask."),
    ),
)
# fmt: on

REPORTS = (*HARMLESS, *LOSSLESS, *HONEST, *DOORS)


class Outcomes:
    """A pytest plugin: what came of each test, over all its parameters."""

    def __init__(self) -> None:
        self._found: defaultdict[str, set[str]] = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._found[report.nodeid.partition("[")[0]].add(report.outcome)

    def held(self, report: Report) -> str:
        """Return whether all of its tests passed; one of which nothing ran, for lack of a library, says nothing."""
        found = [self._found.get(test, {"skipped"}) for test in report.tests]
        if any("failed" in outcomes for outcomes in found):
            return BROKEN
        return NOT_TRIED if {"skipped"} in found else HELD


def main() -> int:
    """Print the table; 1 if a test fails."""
    os.chdir(ROOT)
    outcomes = Outcomes()
    with contextlib.redirect_stdout(sys.stderr):
        status = pytest.main(["-q", *dict.fromkeys(test for report in REPORTS for test in report.tests)], [outcomes])
    print("| report | what was met | held by | held |\n|---|---|---|---|")
    for report in REPORTS:
        print(f"| {' | '.join([*report.cells, outcomes.held(report)])} |")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
