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
PROCESS_ID: Final = "process.pid"
REQUEST_MODEL: Final = "gen_ai.request.model"
SERVICE_NAME: Final = "service.name"

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
ROUTING_CONFIDENCE: Final = "learning_instrument.routing.confidence"
SOLUTION_SUMMARY: Final = "learning_instrument.solution.summary"
SWARM_TOPOLOGY: Final = "learning_instrument.swarm.topology"
TASK_COMPLEXITY_SCORE: Final = "learning_instrument.task.complexity_score"
TASK_DESCRIPTION: Final = "learning_instrument.task.description"
TASK_DURATION: Final = "learning_instrument.task.duration"
TASK_ESTIMATED_TOKENS: Final = "learning_instrument.task.estimated_tokens"
TASK_FILE_COUNT: Final = "learning_instrument.task.file_count"
TASK_ID: Final = "learning_instrument.task.id"
TASK_OUTCOME: Final = "learning_instrument.task.outcome"
TASK_REPO: Final = "learning_instrument.task.repo"
TASK_TYPE: Final = "learning_instrument.task.type"
WORKER_ID: Final = "learning_instrument.worker.id"
