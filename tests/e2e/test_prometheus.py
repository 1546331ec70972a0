"""A real Prometheus scrapes our metrics, and its answers agree with SQL on the database: of a meter, and of ``serve``.

Needs Debian's ``prometheus`` and the ``integration`` extra.
"""

import contextlib
import itertools
import json
import math
import multiprocessing
import random
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from asking import COMMAND
from grafana import as_promql, queries
from opentelemetry.sdk.metrics import MeterProvider

from learning_instrument import configure, current_execution, record_execution, shutdown
from learning_instrument.pipeline.metrics import DURATION_BUCKETS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]

#: The longest that anything is waited for, in seconds.
PATIENCE = 60
TYPES = ("review", "refactor")
#: Of the second round. No multiple of it by a quantile is a whole number, at which two buckets could share the rank.
EXECUTIONS = 203
QUANTILES = (0.1, 0.5, 0.9, 0.95, 0.99)


@record_execution(pool_type="scraped")
def execute_task(task):
    current_execution().set(input_tokens=task["tokens"], queue_seconds=task["seconds"] / 2)
    time.sleep(task["seconds"])
    return {"success": task["succeeds"], "cost": task["cost"]}


def run_tasks(count):
    """Run tasks whose durations fall into many buckets, some of which fail."""
    draw = random.Random(7)
    tasks = [
        {
            "task_type": TYPES[number % 2],
            "seconds": min(draw.lognormvariate(-4, 1.3), 1.5),
            "succeeds": number % 5 > 0,
            "cost": (number + 1) / 1024,
            "tokens": number + 1,
        }
        for number in range(count)
    ]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(execute_task, tasks))


def eventually(condition):
    """Return what *condition* answers as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


class Prometheus:
    """The server, scraping one address every second."""

    def __init__(self, folder, scraped_port, **how):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = folder / "prometheus.yml"
        job = {"job_name": "ours", "static_configs": [{"targets": [f"127.0.0.1:{scraped_port}"]}], **how}
        config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))  # JSON is YAML
        self.log = folder / "prometheus.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'series'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self.is_ready)

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).status == 200
        except OSError:
            return False

    def query(self, promql, at=None):
        """Return the series that answer *promql*: their labels, and their value or samples."""
        parameters = {"query": promql} | ({} if at is None else {"time": repr(at)})
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            result = json.load(answer)["data"]["result"]
        return [(series["metric"], series.get("value") or series["values"]) for series in result]

    def number(self, promql, at=None):
        """Return the one value that answers *promql*, 0 where nothing does."""
        answer = self.query(promql, at)
        return float(answer[0][1][1]) if answer else 0.0

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


@pytest.fixture
def prometheus(tmp_path, database, provider):
    """A Prometheus that scrapes the executions recorded into ``database``."""
    exporter = pytest.importorskip("opentelemetry.exporter.prometheus")
    client = pytest.importorskip("prometheus_client")
    reader = exporter.PrometheusMetricReader()
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    configure(database, tracer_provider=provider, meter_provider=meter_provider)
    server, thread = client.start_http_server(0, addr="127.0.0.1")
    scraper = Prometheus(tmp_path, server.server_port)
    yield scraper
    scraper.close()
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE)
    meter_provider.shutdown()


def bucket_of(seconds):
    """Return the bounds of the bucket that a duration falls into."""
    upper = next((bound for bound in DURATION_BUCKETS if seconds <= bound), math.inf)
    return max([0.0, *[bound for bound in DURATION_BUCKETS if bound < seconds]]), upper


def duration_quantile(prometheus, quantile, window, at):
    """Return what Prometheus makes of the buckets of those that ended in the *window* up to *at*.

    By their differences: ``rate()`` estimates the edges of the window for each bucket by itself.
    """
    buckets = "learning_instrument_execution_duration_seconds_bucket"
    ended = f"sum by (le) ({buckets} - {buckets} offset {window})"
    return prometheus.number(f"histogram_quantile({quantile}, {ended})", at)


@pytest.fixture
def two_rounds(prometheus, database):
    """Rows of executions that Prometheus saw beginning and ending: after a round that made all series.

    A scrape lies between the rounds, and one after them, so that the window between has the second one only.
    """
    count = "sum(learning_instrument_executions_total)"
    run_tasks(50)
    eventually(lambda: prometheus.number(count) == 50)
    begun = time.time()
    eventually(lambda: prometheus.number("min(timestamp(learning_instrument_executions_total))") > begun)
    run_tasks(EXECUTIONS)
    eventually(lambda: prometheus.number(count) == 50 + EXECUTIONS)
    at = time.time()
    return database.query("SELECT * FROM executions ORDER BY rowid")[50:], f"{int((at - begun) * 1000)}ms", at


def test_rates_agree_with_sql(prometheus, two_rounds):
    """By task type and outcome; but for the edges of the window, for which ``increase()`` adds an estimate."""
    rows, window, at = two_rounds

    for task_type, outcome in itertools.product(TYPES, ("succeeded", "failed")):
        series = (
            "learning_instrument_executions_total"
            f'{{learning_instrument_task_type="{task_type}",learning_instrument_task_outcome="{outcome}"}}[{window}]'
        )
        ended = sum((row["task_type"], row["outcome"]) == (task_type, outcome) for row in rows)
        ((_, samples),) = prometheus.query(series, at)
        increase = prometheus.number(f"increase({series})", at)
        rate = prometheus.number(f"rate({series})", at)

        assert float(samples[-1][1]) - float(samples[0][1]) == ended > 0
        # It adds 1.1 intervals between samples at most, at each edge.
        assert ended <= increase * (1 + 1e-9)
        assert increase <= ended * (1 + 2.2 / (len(samples) - 1)) * (1 + 1e-9)
        assert rate == pytest.approx(increase / (int(window[:-2]) / 1000))


def test_quantiles_agree_with_sql(prometheus, two_rounds):
    """Each lies in the bucket that the exact one falls into."""
    rows, window, at = two_rounds
    durations = sorted(row["duration_seconds"] for row in rows)

    for quantile in QUANTILES:
        lower, upper = bucket_of(durations[math.ceil(quantile * len(durations)) - 1])
        assert lower <= duration_quantile(prometheus, quantile, window, at) <= upper


def test_sums_agree_with_sql(prometheus, two_rounds, database):
    """Costs and tokens to the unit, waits, and none that still runs."""
    (sums,) = database.query(
        "SELECT count(*) AS executions, sum(actual_cost) AS cost, sum(input_tokens) AS tokens,"
        " sum(queue_seconds) AS waited FROM executions"
    )

    assert prometheus.number("sum(learning_instrument_execution_cost_total)") == sums["cost"]
    tokens = 'learning_instrument_execution_token_usage_total{gen_ai_token_type="input"}'
    assert prometheus.number(f"sum({tokens})") == sums["tokens"]
    waits = "learning_instrument_execution_queue_duration_seconds"
    assert prometheus.number(f"sum({waits}_count)") == sums["executions"]
    assert prometheus.number(f"sum({waits}_sum)") == pytest.approx(sums["waited"])
    assert prometheus.number("sum(learning_instrument_active_executions)") == 0


class Serve:
    """``learning-instrument serve``; the next one takes its port, and its token."""

    def __init__(self, path, token_file):
        self.path, self.token_file, self.port = path, token_file, 0
        self.start()

    def start(self):
        line = [COMMAND, "serve", "--database", self.path, "--port", str(self.port), "--token-file", self.token_file]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().partition("/?token")[0].rpartition(":")[2])

    def end(self):
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


def run_in_a_process(path, count):
    configure(path)
    run_tasks(count)


def test_server_counts_forked_processes_and_no_deletion(tmp_path, database):
    """Nor does a deletion count as executions, where another server begins after it."""
    forking = multiprocessing.get_context("fork")

    def run_elsewhere(count):
        processes = [forking.Process(target=run_in_a_process, args=(database.path, count)) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(PATIENCE)

    count = "sum(learning_instrument_executions_total)"
    run_elsewhere(10)
    server = Serve(database.path, str(tmp_path / "token"))
    prometheus = Prometheus(tmp_path, server.port, authorization={"credentials_file": server.token_file})
    try:
        eventually(lambda: prometheus.number(count) == 20)
        assert prometheus.number(f"{count} - sum(learning_instrument_execution_duration_seconds_count)") == 0
        run_elsewhere(5)
        eventually(lambda: prometheus.number(count) == 30)
        with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
            connection.execute("DELETE FROM executions WHERE rowid <= 20")
        server.end()
        server.start()
        run_elsewhere(2)
        eventually(lambda: prometheus.number(count) == 4)

        increases = "sum(increase(learning_instrument_executions_total[10m]))"
        assert 10 <= prometheus.number(increases) < 20
        assert prometheus.number("sum(resets(learning_instrument_executions_total[10m]))") > 0
    finally:
        prometheus.close()
        server.end()


@pytest.fixture
def served(tmp_path, database):
    """A Prometheus that scraped ``serve`` before and after executions; their rows."""
    with multiprocessing.get_context("fork").Pool(1) as elsewhere:

        def run(count):
            elsewhere.apply(run_graded_tasks, (database.path, count))

        run(40)
        server = Serve(database.path, str(tmp_path / "token"))
        scraper = Prometheus(tmp_path, server.port, authorization={"credentials_file": server.token_file})
        try:
            count = "sum(learning_instrument_executions_total)"
            eventually(lambda: scraper.number(count) == 40)
            begun = time.time()
            eventually(lambda: scraper.number("min(timestamp(learning_instrument_executions_total))") > begun)
            run(40)
            eventually(lambda: scraper.number(count) == 80)
            yield scraper, database.query("SELECT * FROM executions ORDER BY rowid")[40:]
        finally:
            scraper.close()
            server.end()


def run_graded_tasks(path, count):
    configure(path)
    for number in range(count):
        with contextlib.suppress(ValueError):
            run_graded_task({"number": number})
    shutdown()


@record_execution(pool_type="scraped")
def run_graded_task(task):
    tier = ("small", "large")[task["number"] % 2]
    current_execution().set(model_tier=tier, queue_seconds=0.2, actual_cost=0.5 if tier == "large" else 0.25)
    time.sleep(0.001 if tier == "small" else 0.03)
    if task["number"] % 8 == 1:
        raise ValueError("no")
    return {"success": True}


def test_every_query_of_the_grafana_dashboard_is_answered(served):
    """As Grafana sends it, for all and for one tier; the figures are those of the executions between two scrapes."""
    scraper, rows = served
    answers = {}
    for where, query in queries("prometheus").items():
        if where[0] == "variable":
            name = query.removeprefix("label_values(").removesuffix(")").split(", ")
            assert {row[0][name[1]] for row in scraper.query(f"group by ({name[1]}) ({name[0]})")}
            continue
        for tiers, chosen in (("all", {}), ("large", {"tier": ["large", "huge"]})):
            answer = scraper.query(as_promql(query, 60, **chosen))
            assert answer, where
            assert all(math.isfinite(float(sample[1])) for _, sample in answer), where
            answers[where[0], tiers] = {
                next(iter(labels.values()), None): float(sample[1]) for labels, sample in answer
            }

    large = [row for row in rows if row["model_tier"] == "large"]
    assert answers["Success", "all"][None] == about(sum(row["success"] for row in rows) / len(rows))
    assert answers["Success", "large"][None] == about(sum(row["success"] for row in large) / len(large))
    assert answers["Success by tier", "all"] == {
        "small": about(1),
        "large": about(sum(row["success"] for row in large) / len(large)),
    }
    assert 0.025 < answers["95th percentile by tier", "all"]["large"] <= 0.25
    assert 0.1 < answers["Queue wait by pool", "all"]["scraped"] <= 0.25
    assert list(answers["Failures by type", "all"]) == ["ValueError"]
    counted = answers["Executions", "all"][None]
    assert len(rows) <= counted < 3 * len(rows)
    assert answers["Known cost", "all"][None] / counted == about(sum(row["actual_cost"] for row in rows) / len(rows))
    assert answers["Failures by type", "all"]["ValueError"] / counted == about(5 / 40)
    assert sum(answers["Executions by day and outcome", "all"].values()) == about(counted)
    assert answers["Running", "all"][None] == 0


def about(value):
    """Prometheus estimates the edges of a window, of each series by itself."""
    return pytest.approx(value, rel=0.1)
