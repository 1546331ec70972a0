"""Attribute keys, span, scope and metric names. Constants only.

OpenTelemetry's own names where the semantic conventions have one, else our prefix. The ``gen_ai.*``
strings are copied, not imported: the module that holds them may change in any minor release.
"""

from typing import Final

SCOPE_NAME: Final = "learning_instrument"
SPAN_NAME: Final = "execute_task"
BATCH_SPAN_NAME: Final = "execute_batch"

# OpenTelemetry's own.
CODE_FUNCTION_NAME: Final = "code.function.name"
ERROR_TYPE: Final = "error.type"
EXCEPTION_EVENT: Final = "exception"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
EXCEPTION_TYPE: Final = "exception.type"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
OTHER_ERROR: Final = "_OTHER"
PROCESS_ID: Final = "process.pid"
REQUEST_MODEL: Final = "gen_ai.request.model"
SERVICE_NAME: Final = "service.name"

# Model calls: OpenTelemetry's names, its former names, and those that libraries add.
USAGE_COST: Final = "gen_ai.usage.cost"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_READ_TOKENS_BEFORE: Final = "gen_ai.usage.cache_read_input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
CACHE_WRITE_TOKENS_BEFORE: Final = "gen_ai.usage.cache_creation_input_tokens"
INPUT_TOKENS_BEFORE: Final = "gen_ai.usage.prompt_tokens"
OPERATION_COST: Final = "operation.cost"
OPERATION_NAME: Final = "gen_ai.operation.name"
OUTPUT_TOKENS_BEFORE: Final = "gen_ai.usage.completion_tokens"
PROVIDER_NAME: Final = "gen_ai.provider.name"
PROVIDER_NAME_BEFORE: Final = "gen_ai.system"
RESPONSE_MODEL: Final = "gen_ai.response.model"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - of model calls
TOTAL_COST: Final = "gen_ai.cost.total_cost"

# Model calls: OpenInference's names.
OPENINFERENCE_CACHE_READ: Final = "llm.token_count.prompt_details.cache_read"
OPENINFERENCE_CACHE_WRITE: Final = "llm.token_count.prompt_details.cache_write"
OPENINFERENCE_COMPLETION: Final = "llm.token_count.completion"
OPENINFERENCE_COST: Final = "llm.cost.total"
OPENINFERENCE_EMBEDDING_MODEL: Final = "embedding.model_name"
OPENINFERENCE_KIND: Final = "openinference.span.kind"
OPENINFERENCE_MODEL: Final = "llm.model_name"
OPENINFERENCE_PROMPT: Final = "llm.token_count.prompt"
OPENINFERENCE_PROVIDER: Final = "llm.provider"
OPENINFERENCE_SYSTEM: Final = "llm.system"

# Ours.
BATCH_ID: Final = "learning_instrument.batch.id"
BATCH_SIZE: Final = "learning_instrument.batch.size"
COST_ACTUAL: Final = "learning_instrument.cost.actual"
COST_ESTIMATE: Final = "learning_instrument.cost.estimate"
CPU_TIME: Final = "learning_instrument.resource_usage.cpu.time"
DEFAULTED: Final = "learning_instrument.defaulted"
ERROR_KIND: Final = "learning_instrument.error.kind"
ERROR_MESSAGE: Final = "learning_instrument.error.message"
EXECUTION_ID: Final = "learning_instrument.execution.id"
MEMORY_PEAK: Final = "learning_instrument.resource_usage.memory.peak"
METADATA: Final = "learning_instrument.metadata"
MODEL_TIER: Final = "learning_instrument.model.tier"
PARENT_EXECUTION_ID: Final = "learning_instrument.parent.execution_id"
POOL_ID: Final = "learning_instrument.pool.id"
POOL_TYPE: Final = "learning_instrument.pool.type"
QUALITY_SCORE: Final = "learning_instrument.quality.score"
QUEUE_DURATION: Final = "learning_instrument.queue.duration"
RECORD: Final = "learning_instrument.record"
ROUTING_CONFIDENCE: Final = "learning_instrument.routing.confidence"
SOLUTION_SUMMARY: Final = "learning_instrument.solution.summary"
SWARM_TOPOLOGY: Final = "learning_instrument.swarm.topology"
TASK_ATTEMPT: Final = "learning_instrument.task.attempt"
TASK_COMPLEXITY_SCORE: Final = "learning_instrument.task.complexity_score"
TASK_DESCRIPTION: Final = "learning_instrument.task.description"
TASK_DURATION: Final = "learning_instrument.task.duration"
TASK_ESTIMATED_TOKENS: Final = "learning_instrument.task.estimated_tokens"
TASK_FILE_COUNT: Final = "learning_instrument.task.file_count"
TASK_ID: Final = "learning_instrument.task.id"
TASK_OUTCOME: Final = "learning_instrument.task.outcome"
TASK_OUTCOME_SOURCE: Final = "learning_instrument.task.outcome_source"
TASK_REPO: Final = "learning_instrument.task.repo"
TASK_TYPE: Final = "learning_instrument.task.type"
WAIT_DURATION: Final = "learning_instrument.wait.duration"
WORKER_ID: Final = "learning_instrument.worker.id"

# Metrics: name, unit (UCUM; a counted noun in braces) and description. Tokens are not gen_ai.client.token.usage: the
# instrumentations of model clients record that, and a sum over both would count twice.
METRIC_ACTIVE: Final = ("learning_instrument.active_executions", "{execution}", "Running executions.")
METRIC_COST: Final = ("learning_instrument.execution.cost", "{USD}", "Costs of executions, as far as they are known.")
METRIC_DURATION: Final = ("learning_instrument.execution.duration", "s", "Durations of executions.")
METRIC_EXECUTIONS: Final = ("learning_instrument.executions", "{execution}", "Finished executions.")
METRIC_QUEUE: Final = ("learning_instrument.execution.queue.duration", "s", "Waits of executions before their start.")
METRIC_TOKENS: Final = ("learning_instrument.execution.token.usage", "{token}", "Tokens used by executions.")
METRIC_POOL_ACTIVE: Final = ("learning_instrument.pool.worker.active", "{worker}", "Busy workers of a pool.")
METRIC_POOL_QUEUED: Final = ("learning_instrument.pool.task.queued", "{task}", "Tasks queued in a pool.")
METRIC_POOL_WORKERS: Final = ("learning_instrument.pool.worker.count", "{worker}", "Workers of a pool.")
