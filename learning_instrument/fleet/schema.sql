-- The objects of a fleet in ClickHouse: the Collector's table, for a fleet that has no Collector, sections for the
-- versions of our tables, then the views, which each run of `fleet init` makes anew. A released version is never edited:
-- a table is changed by ALTER TABLE in a new section.
-- The functions span_attribute, resource_attribute, json_attribute, span_keys and telling_keys are written out by
-- schema.py, by what DESCRIBE says of otel_traces.

-- spans

-- With the columns that the Collector's clickhouse exporter writes by default, so it may write here later.
CREATE TABLE IF NOT EXISTS otel_traces (
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)
SETTINGS ttl_only_drop_parts = 1;

-- version 1

-- One row for each execution: the columns of SQLite's table, with its names and types, and some of our own behind them.
CREATE TABLE IF NOT EXISTS learning_instrument_executions (
    task_id String,
    timestamp String,
    task_type String,
    task_description Nullable(String),
    repo Nullable(String),
    file_count Nullable(Int64),
    estimated_tokens Nullable(Int64),
    model_tier Nullable(String),
    pool_type Nullable(String),
    swarm_topology Nullable(String),
    routing_confidence Nullable(Float64),
    complexity_score Nullable(Float64),
    success UInt8,
    duration_seconds Float64,
    quality_score Nullable(Float64),
    cost_estimate Nullable(Float64),
    actual_cost Nullable(Float64),
    error_type Nullable(String),
    error_message Nullable(String),
    user_accepted Nullable(UInt8),
    user_rating Nullable(Int64),
    peak_memory_mb Nullable(Float64),
    cpu_time_seconds Nullable(Float64),
    solution_summary Nullable(String),
    metadata String,
    execution_id String,
    trace_id Nullable(String),
    span_id Nullable(String),
    parent_execution_id Nullable(String),
    batch_id Nullable(String),
    pool_id Nullable(String),
    worker_id Nullable(String),
    outcome String,
    exception_type Nullable(String),
    queue_seconds Nullable(Float64),
    model Nullable(String),
    input_tokens Nullable(Int64),
    output_tokens Nullable(Int64),
    cost_source Nullable(String),
    service_name Nullable(String),
    process_id Nullable(Int64),
    defaulted String,
    outcome_source Nullable(String),
    wait_seconds Nullable(Float64),
    function_name Nullable(String),
    attempt Nullable(Int64),
    -- Grows by the end of the execution, as SQLite's grows by the storing of it.
    rowid UInt128 DEFAULT bitShiftLeft(
        toUInt128(
            greatest(0, toUnixTimestamp64Micro(parseDateTime64BestEffortOrZero(timestamp, 6, 'UTC')))
            + toUInt64(least(greatest(duration_seconds, 0) + greatest(ifNull(wait_seconds, 0), 0), 1e9) * 1e6)
        ),
        64
    ) + cityHash64(execution_id),
    -- 0: made of the span. A row of refresh, of feedback or of push has the microseconds since the epoch.
    version UInt64 DEFAULT 0,
    arrived DateTime64(6, 'UTC') DEFAULT now64(6),
    -- The message of a failure, masked. Written by refresh.
    message_template Nullable(String),
    -- What its pool reported, where actual_cost is the sum of its model calls instead. Written by refresh.
    reported_cost Nullable(Float64),
    -- 1: it differs from the row before it by feedback alone, of which no sum is made.
    is_feedback UInt8 DEFAULT 0,
    -- As analytics.shared_words.words() has them.
    words Array(String) MATERIALIZED arrayDistinct(arrayMap(
        word -> normalizeUTF8NFC(
            replaceRegexpAll(normalizeUTF8NFD(lowerUTF8(word)), '[\\x{300}-\\x{36F}]', '')
        ),
        extractAll(ifNull(task_description, ''), '[\\p{L}\\p{N}]+')
    )),
    INDEX by_rowid rowid TYPE minmax,
    INDEX by_execution_id execution_id TYPE bloom_filter,
    INDEX by_task_id task_id TYPE bloom_filter,
    INDEX by_parent parent_execution_id TYPE bloom_filter,
    INDEX by_trace_id trace_id TYPE bloom_filter,
    INDEX by_words words TYPE bloom_filter
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY substring(timestamp, 1, 7)
ORDER BY (timestamp, execution_id)
SETTINGS default_compression_codec = 'ZSTD(1)'
COMMENT 'learning_instrument: executions, of which the row with the highest version counts';

-- Written by refresh, which parses the vocabularies of model calls by the same Python as for SQLite.
CREATE TABLE IF NOT EXISTS learning_instrument_calls (
    execution_id Nullable(String),
    trace_id String,
    span_id String,
    parent_span_id Nullable(String),
    path String,
    awaited_span_id Nullable(String),
    timestamp String,
    model Nullable(String),
    response_model Nullable(String),
    provider Nullable(String),
    input_tokens Nullable(Int64),
    cached_tokens Nullable(Int64),
    cache_write_tokens Nullable(Int64),
    output_tokens Nullable(Int64),
    cost Nullable(Float64),
    cost_source String,
    price_table Nullable(String),
    duration_seconds Float64,
    error_type Nullable(String),
    scope Nullable(String),
    operation Nullable(String),
    response_id Nullable(String),
    finish_reason Nullable(String),
    usage Nullable(String),
    time_to_first_chunk_seconds Nullable(Float64),
    rowid UInt128 DEFAULT bitShiftLeft(
        toUInt128(greatest(0, toUnixTimestamp64Micro(parseDateTime64BestEffortOrZero(timestamp, 6, 'UTC')))), 64
    ) + cityHash64(trace_id, span_id),
    version UInt64 DEFAULT toUnixTimestamp64Micro(now64(6)),
    INDEX by_execution_id execution_id TYPE bloom_filter,
    INDEX by_trace_id trace_id TYPE bloom_filter
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY substring(timestamp, 1, 7)
ORDER BY (timestamp, trace_id, span_id)
SETTINGS default_compression_codec = 'ZSTD(1)'
COMMENT 'learning_instrument: model calls, of which the row with the highest version counts';

CREATE TABLE IF NOT EXISTS learning_instrument_feedback (
    -- Of what it says, so that one that comes twice counts once. Its numbers are whole in JSON.
    feedback_id Int64 DEFAULT toInt64(cityHash64(
        execution_id, timestamp, ifNull(toString(accepted), ''), ifNull(toString(rating), ''), ifNull(comment, ''),
        ifNull(source, ''), visibility
    ) % 9007199254740992),
    execution_id String,
    timestamp String,
    accepted Nullable(UInt8),
    rating Nullable(Int64),
    comment Nullable(String),
    source Nullable(String),
    visibility String
)
ENGINE = ReplacingMergeTree
ORDER BY (execution_id, timestamp, feedback_id)
COMMENT 'learning_instrument: the history of feedback';

-- The traces of which spans of ours or of model calls have arrived: what refresh goes through.
CREATE TABLE IF NOT EXISTS learning_instrument_arrivals (
    trace_id String,
    arrived DateTime64(6, 'UTC') DEFAULT now64(6),
    -- When the first and the last of these spans began.
    first DateTime64(9, 'UTC'),
    last DateTime64(9, 'UTC'),
    PROJECTION times (SELECT trace_id, min(first), max(last) GROUP BY trace_id)
)
ENGINE = MergeTree
PARTITION BY toDate(arrived)
ORDER BY (arrived, first, trace_id)
TTL toDateTime(arrived) + INTERVAL 30 DAY
SETTINGS default_compression_codec = 'ZSTD(1)'
COMMENT 'learning_instrument: traces to refresh';

-- The hours of which executions have arrived or changed, each with the last time.
CREATE TABLE IF NOT EXISTS learning_instrument_touched (
    bucket String,
    at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY bucket
COMMENT 'learning_instrument: hours and their last change';

-- Cells of roll-ups: whole hours, written by refresh. An hour's valid ones have the generation that is told for it.
CREATE TABLE IF NOT EXISTS learning_instrument_cubes (
    -- Its keys; the others are empty.
    cube LowCardinality(String),
    bucket String,
    generation DateTime64(6, 'UTC'),
    task_type String,
    model_tier String,
    pool_type String,
    repo String,
    executions Int64,
    succeeded Int64,
    assumed Int64,
    failed Int64,
    errors Int64,
    timeouts Int64,
    cancelled Int64,
    lost Int64,
    retries Int64,
    timed Int64,
    duration_us Int64,
    queued Int64,
    queue_us Int64,
    rated Int64,
    quality_e4 Int64,
    priced Int64,
    compared Int64,
    off_rated Int64,
    scaled Int64,
    partial Int64,
    priced_succeeded Int64,
    cost_nano Int64,
    failure_nano Int64,
    unpriced Int64,
    counted Int64,
    input_tokens Int64,
    output_tokens Int64,
    estimate_nano Int64,
    actual_nano Int64,
    off_nano Int64,
    off_e6 Int64,
    within_20 Int64,
    log_e5 Int64,
    log2_e10 Int64,
    -- Bin of a duration -> executions.
    histogram Map(UInt16, UInt64)
)
ENGINE = ReplacingMergeTree
PARTITION BY substring(bucket, 1, 7)
ORDER BY (cube, bucket, generation, task_type, model_tier, pool_type, repo)
COMMENT 'learning_instrument: sums of executions by the hour';

-- Failures by the hour, counted as the cells are.
CREATE TABLE IF NOT EXISTS learning_instrument_failures (
    bucket String,
    error_type String,
    exception_type String,
    message String,
    -- Whether refresh has masked the message.
    is_masked UInt8,
    task_type String,
    model_tier String,
    pool_type String,
    repo String,
    executions Int64,
    first_seen String,
    last_seen String,
    newest UInt128,
    generation DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY substring(bucket, 1, 7)
PRIMARY KEY (bucket, generation)
ORDER BY (
    bucket, generation, error_type, exception_type, message, is_masked, task_type, model_tier, pool_type, repo
)
SETTINGS default_compression_codec = 'ZSTD(1)'
COMMENT 'learning_instrument: failures by message and hour';

CREATE TABLE IF NOT EXISTS learning_instrument_generations (
    bucket String,
    -- The sums that are kept of the hour.
    cubes Array(LowCardinality(String)),
    generation DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(generation)
ORDER BY bucket
COMMENT 'learning_instrument: hours and the generation of their sums';

-- The lower edges of the bins of histograms: one row.
CREATE TABLE IF NOT EXISTS learning_instrument_edges (
    edges Array(Float64)
)
ENGINE = ReplacingMergeTree
ORDER BY tuple()
COMMENT 'learning_instrument: the edges of bins';

CREATE TABLE IF NOT EXISTS learning_instrument_state (
    name String,
    value String,
    at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY name
COMMENT 'learning_instrument: the version of this schema, and how far back-fill and refresh are';

-- views

CREATE VIEW executions AS
SELECT
    task_id, timestamp, task_type, task_description, repo, file_count, estimated_tokens, model_tier, pool_type,
    swarm_topology, routing_confidence, complexity_score, success, duration_seconds, quality_score, cost_estimate,
    actual_cost, error_type, error_message, user_accepted, user_rating, peak_memory_mb, cpu_time_seconds,
    solution_summary, metadata, execution_id, trace_id, span_id, parent_execution_id, batch_id, pool_id, worker_id,
    outcome, exception_type, queue_seconds, model, input_tokens, output_tokens, cost_source, service_name,
    process_id, defaulted, outcome_source, wait_seconds, function_name, attempt,
    rowid, message_template, words
FROM learning_instrument_executions FINAL
COMMENT 'learning_instrument: one row for each execution';

CREATE VIEW model_calls AS
SELECT
    execution_id, trace_id, span_id, parent_span_id, path, awaited_span_id, timestamp, model, response_model,
    provider, input_tokens, cached_tokens, cache_write_tokens, output_tokens, cost, cost_source, price_table,
    duration_seconds, error_type, scope, operation, response_id, finish_reason, usage, time_to_first_chunk_seconds,
    rowid
FROM learning_instrument_calls FINAL
COMMENT 'learning_instrument: one row for each model call';

CREATE VIEW feedback AS
SELECT feedback_id, execution_id, timestamp, accepted, rating, comment, source, visibility
FROM learning_instrument_feedback FINAL
COMMENT 'learning_instrument: one row for each piece of feedback';

CREATE MATERIALIZED VIEW learning_instrument_touches TO learning_instrument_touched AS
SELECT substring(timestamp, 1, 13) AS bucket, now64(6) AS at
FROM learning_instrument_executions
WHERE NOT is_feedback
GROUP BY bucket
COMMENT 'learning_instrument: notes the hours of executions that arrive';

-- The row of record.row_of(). Nothing in it may fail: it would fail the Collector's insert. JSONExtract reads a number to
-- its last digit, in all releases.
CREATE MATERIALIZED VIEW learning_instrument_from_spans TO learning_instrument_executions AS
SELECT
    ifNull(span_attribute('learning_instrument.task.id'), execution_id) AS task_id,
    formatDateTime(Timestamp, '%Y-%m-%dT%H:%i:%S.%f+00:00', 'UTC') AS timestamp,
    ifNull(span_attribute('learning_instrument.task.type'), 'unknown') AS task_type,
    ifNull(span_attribute('learning_instrument.task.description'), '') AS task_description,
    ifNull(span_attribute('learning_instrument.task.repo'), 'unknown') AS repo,
    ifNull(toInt64OrNull(span_attribute('learning_instrument.task.file_count')), 0) AS file_count,
    ifNull(toInt64OrNull(span_attribute('learning_instrument.task.estimated_tokens')), 0) AS estimated_tokens,
    ifNull(span_attribute('learning_instrument.model.tier'), 'unknown') AS model_tier,
    ifNull(span_attribute('learning_instrument.pool.type'), 'unknown') AS pool_type,
    span_attribute('learning_instrument.swarm.topology') AS swarm_topology,
    ifNull(JSONExtract(span_attribute('learning_instrument.routing.confidence'), 'Nullable(Float64)'), 1.0) AS routing_confidence,
    ifNull(JSONExtract(span_attribute('learning_instrument.task.complexity_score'), 'Nullable(Float64)'), 50) AS complexity_score,
    outcome = 'succeeded' AS success,
    assumeNotNull(JSONExtract(span_attribute('learning_instrument.task.duration'), 'Nullable(Float64)')) AS duration_seconds,
    JSONExtract(span_attribute('learning_instrument.quality.score'), 'Nullable(Float64)') AS quality_score,
    ifNull(JSONExtract(span_attribute('learning_instrument.cost.estimate'), 'Nullable(Float64)'), actual_cost) AS cost_estimate,
    ifNull(JSONExtract(span_attribute('learning_instrument.cost.actual'), 'Nullable(Float64)'), 0.0) AS actual_cost,
    span_attribute('learning_instrument.error.kind') AS error_type,
    span_attribute('learning_instrument.error.message') AS error_message,
    JSONExtract(span_attribute('learning_instrument.resource_usage.memory.peak'), 'Nullable(Float64)') / 1e6 AS peak_memory_mb,
    JSONExtract(span_attribute('learning_instrument.resource_usage.cpu.time'), 'Nullable(Float64)') AS cpu_time_seconds,
    span_attribute('learning_instrument.solution.summary') AS solution_summary,
    ifNull(span_attribute('learning_instrument.metadata'), '{}') AS metadata,
    concat(leftPad(lower(hex(toUnixTimestamp64Nano(Timestamp))), 16, '0'), '-', trace_id, '-', span_id) AS execution_id,
    TraceId AS trace_id,
    SpanId AS span_id,
    span_attribute('learning_instrument.parent.execution_id') AS parent_execution_id,
    span_attribute('learning_instrument.batch.id') AS batch_id,
    span_attribute('learning_instrument.pool.id') AS pool_id,
    span_attribute('learning_instrument.worker.id') AS worker_id,
    assumeNotNull(span_attribute('learning_instrument.task.outcome')) AS outcome,
    span_attribute('error.type') AS exception_type,
    JSONExtract(span_attribute('learning_instrument.queue.duration'), 'Nullable(Float64)') AS queue_seconds,
    span_attribute('gen_ai.request.model') AS model,
    toInt64OrNull(span_attribute('gen_ai.usage.input_tokens')) AS input_tokens,
    toInt64OrNull(span_attribute('gen_ai.usage.output_tokens')) AS output_tokens,
    resource_attribute('service.name') AS service_name,
    toInt64OrNull(span_attribute('process.pid')) AS process_id,
    -- The collector rotel writes a list as {"values":[{"stringValue":"task_id"}]}.
    arrayMap(
        list -> if(position(list, 'values') > 0, toJSONString(extractAll(list, 'stringValue\\W+(\\w+)')), list),
        [ifNull(json_attribute('learning_instrument.defaulted'), '[]')]
    )[1] AS defaulted,
    span_attribute('learning_instrument.task.outcome_source') AS outcome_source,
    JSONExtract(span_attribute('learning_instrument.wait.duration'), 'Nullable(Float64)') AS wait_seconds,
    span_attribute('code.function.name') AS function_name,
    toInt64OrNull(span_attribute('learning_instrument.task.attempt')) AS attempt
FROM otel_traces
WHERE ScopeName = 'learning_instrument'
    AND (span_attribute('learning_instrument.execution.id') IS NOT NULL
        OR span_attribute('learning_instrument.batch.size') IS NULL)
    AND span_attribute('learning_instrument.task.outcome') IS NOT NULL
    AND JSONExtract(span_attribute('learning_instrument.task.duration'), 'Nullable(Float64)') IS NOT NULL
COMMENT 'learning_instrument: makes executions of spans';

CREATE MATERIALIZED VIEW learning_instrument_arriving TO learning_instrument_arrivals AS
SELECT TraceId AS trace_id, now64(6) AS arrived, min(Timestamp) AS first, max(Timestamp) AS last
FROM otel_traces
WHERE ScopeName = 'learning_instrument' OR hasAny(span_keys(), telling_keys())
GROUP BY trace_id
COMMENT 'learning_instrument: notes the traces that refresh goes through';
