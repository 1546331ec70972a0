"""What the tables, views and columns of the file mean, for programs that show it and for the reference."""

from collections.abc import Mapping
from typing import Final

#: Of ``executions``: column -> its meaning.
_EXECUTIONS: Final = {
    "task_id": "the task that was run; a task that is run again has several executions",
    "timestamp": "when it started, in UTC",
    "task_type": "the type of the task",
    "task_description": "the beginning of what was asked for",
    "repo": "the repository that the task is about",
    "file_count": "how many files the task changed or is about",
    "estimated_tokens": "about how many tokens the description has",
    "model_tier": "the tier of the model, such as small or large",
    "pool_type": "the type of the pool that ran it",
    "swarm_topology": "how the workers of a swarm are connected",
    "routing_confidence": "how sure the router was of its choice",
    "complexity_score": "how hard the task is",
    "success": "1 if the outcome is succeeded",
    "duration_seconds": "how long the work took",
    "quality_score": "how good the result is",
    "cost_estimate": "US dollars, estimated before",
    "actual_cost": "US dollars, as reported or priced",
    "error_type": "the kind of failure",
    "error_message": "the beginning of its message",
    "user_accepted": "whether the result was accepted",
    "user_rating": "the rating of the result",
    "peak_memory_mb": "the most memory used",
    "cpu_time_seconds": "the processor time used",
    "solution_summary": "what solved it, in a few words",
    "metadata": "further values of the task",
    "execution_id": "the id of this execution",
    "trace_id": "the OpenTelemetry trace it is in",
    "span_id": "its span",
    "parent_execution_id": "the execution that it is nested within",
    "batch_id": "the batch that it was a part of",
    "pool_id": "the pool that ran it",
    "worker_id": "the worker that ran it",
    "outcome": "how it ended",
    "exception_type": "the class of the exception",
    "queue_seconds": "how long it waited before it started",
    "model": "the model that was used most",
    "input_tokens": "tokens sent to models",
    "output_tokens": "tokens received from models",
    "cost_source": "where the cost is from",
    "service_name": "the service that recorded it",
    "process_id": "the process that recorded it",
    "defaulted": "which columns hold a default in place of a reported value",
    "outcome_source": "what the outcome rests on",
    "wait_seconds": "how long it waited within its pool",
    "function_name": "the function that ran it, by its qualified name",
    "attempt": "which attempt at the task it was, from 1; NULL where it is unknown",
}

#: Of the views: figure -> its meaning.
_FIGURES: Final = {
    "executions": "all executions of the group",
    "succeeded": "those with success 1",
    "success_rate": "the share of succeeded",
    "assumed": "those of succeeded whose outcome_source is assumed",
    "mean_duration_seconds": "the mean over known durations",
    "mean_quality": "the mean over known scores",
    "cost_usd": "the sum of known costs; NULL if none is known; a lower bound where partial or unpriced is not 0",
    "partial": "executions of which a part of the cost is unknown; cost_usd has the rest",
    "unpriced": "executions whose model calls could not be priced",
    "cost_per_success_usd": "cost_usd divided by the successes among the executions with a known cost; a lower bound"
    " where partial is not 0",
    "mean_queue_seconds": "the mean of queue_seconds over executions that have one, without waits in the pool",
    "first_timestamp": "the oldest execution",
    "last_timestamp": "the newest execution",
}
_KEYS: Final = {
    "day": "the day (UTC), such as 2026-11-22",
    "hour": "the hour (UTC), such as 2026-11-22T10",
    **{name: _EXECUTIONS[name] for name in ("repo", "model_tier", "pool_type", "solution_summary", "task_type")},
}

#: Table or view -> its meaning.
TABLES: Final[Mapping[str, str]] = {
    "executions": "One row for each execution.",
    "model_calls": "One row for each model call within an execution; deleted with it. What was said to the model is"
    " not stored.",
    "feedback": "One row for each piece of feedback; the columns user_accepted and user_rating of the execution hold"
    " the latest. Deleted with its execution.",
    "losses": "Executions that could not be recorded. A row is written with the next write that succeeds.",
    "running": "The crash ledger: executions in flight that have run for more than a second.",
    "reported_costs": "What a pool reported for an execution whose cost was then computed from model calls.",
    "tier_performance": "Success, duration and cost by day, repository and model tier.",
    "pool_performance": "Success, duration, cost and wait by hour, repository and type of pool.",
    "solution_patterns": "Success, duration and cost by solution, repository and type of task.",
}

#: Table or view -> column -> its meaning.
COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "executions": _EXECUTIONS,
    "model_calls": {
        "execution_id": "the innermost execution around the call; NULL while that is not known",
        "trace_id": "its trace; unique together with span_id",
        "span_id": "its span",
        "parent_span_id": "the span around it",
        "path": "the ids of the spans between the two, the nearest first",
        "awaited_span_id": "the span whose arrival is awaited",
        "timestamp": "the start of the span",
        "model": "the requested model as its span has it, cut to 200 characters",
        "response_model": "the answering model as its span has it, cut to 200 characters",
        "provider": "as its span has it, cut to 200 characters",
        "input_tokens": "tokens sent; NULL where not reported",
        "cached_tokens": "the part of the input that was read from the provider's cache; NULL where not reported",
        "cache_write_tokens": "the part of the input that was written to it; NULL where not reported",
        "output_tokens": "tokens received; NULL where not reported",
        "cost": "US dollars; NULL if unpriced",
        "cost_source": "reported, priced, partial (a lower bound) or unpriced",
        "price_table": "name, version and date of the price table",
        "duration_seconds": "the length of the span",
        "error_type": "error.type, else the class of the recorded exception, else _OTHER; NULL without an error",
        "scope": "the instrumentation scope of the span",
        "operation": "chat, embeddings and so on",
        "response_id": "the id of the response; NULL where not reported",
        "finish_reason": "the first finish reason of the response; NULL where not reported",
        "usage": "a JSON object of further tokens, such as audio, by the names of genai-prices where it has one, and"
        " of service_tier; NULL where there are none",
        "time_to_first_chunk_seconds": "from the request to the first part of a streamed answer; NULL where not"
        " reported",
    },
    "feedback": {
        "feedback_id": "the number of this piece",
        "execution_id": "the execution that it is about",
        "timestamp": "when it was given",
        "accepted": "0 or 1; NULL where not given",
        "rating": "1 to 5; NULL where not given",
        "comment": "text, redacted, then cut to 1,000 characters; NULL where not given",
        "source": "the author or tool, cut to 100 characters",
        "visibility": "private (the default), team or public",
    },
    "losses": {
        "timestamp": "when the count was written",
        "process_id": "by which process",
        "reason": "a key of statistics().lost, as below",
        "executions": "how many; of model calls, how many calls",
    },
    "running": {
        "execution_id": "as in executions",
        "task_id": "as in executions",
        "task_type": "as in executions",
        "pool_type": "as in executions",
        "process_id": "the process that runs it",
        "host": "the host of that process",
        "process": "tells the process from others with its number",
        "started": "when it started",
        "heartbeat": "when the process was last heard of; renewed every 5 seconds",
        "record": "JSON: the row that is stored, with outcome lost, if the process dies",
    },
    "reported_costs": {"execution_id": "which execution", "cost": "US dollars"},
    **{view: {**_KEYS, **_FIGURES} for view in ("tier_performance", "pool_performance", "solution_patterns")},
}

#: How the names of the tables begin that serve the reports, retention and the schema.
PRIVATE: Final = (
    "rollup_", "error_", "execution_search", "search_state", "span_links", "totals_due", "rebuilds", "oldest_writer",
    "retention_rounds", "deletions", "unknown_spans", "vector_models", "description_vectors", "watches", "alerts",
    "task_id", "_sqlite_migrations",
)  # fmt: skip
