"""No handler, hook or callback of a user runs while its thread holds a lock of ours."""

import subprocess
import sys

import pytest

PROGRAM = r'''
import sys, threading, types
faults, seen = [], set()

class Held(threading.local):
    def __init__(self):
        self.locks = []

held = Held()

def instrumented(make):
    def factory():
        lock, module = make(), sys._getframe(1).f_globals.get("__name__", "")
        if not module.startswith("learning_instrument"):
            return lock
        return Watched(lock, f"{module}:{sys._getframe(1).f_lineno}")
    return factory

class Watched:
    def __init__(self, lock, name):
        self._lock, self._name = lock, name
        self.locked = getattr(lock, "locked", None)
        self._is_owned = getattr(lock, "_is_owned", None)

    def acquire(self, blocking=True, timeout=-1):
        is_taken = self._lock.acquire(blocking, timeout)
        if is_taken:
            held.locks.append(self._name)
        return is_taken

    def release(self):
        self._lock.release()
        if self._name in held.locks:
            held.locks.remove(self._name)

    def __enter__(self):
        self.acquire()

    def __exit__(self, *exc_info):
        self.release()

threading.Lock, threading.RLock = instrumented(threading.Lock), instrumented(threading.RLock)

def foreign(name):
    """Stands for a user's code: its thread holds none of our locks, but those that only wake a thread."""
    seen.add(name)
    locks = [lock for lock in held.locks if not lock.startswith("learning_instrument.safety.wake")]
    if locks:
        faults.append((name, locks))

import logging, os, shutil, sqlite3, time
from learning_instrument import Budget, configure, observe_pool, record_execution, shutdown
from learning_instrument.maintenance import prune
from learning_instrument.maintenance.pruning import limits
from learning_instrument.transfer import export_executions, import_executions
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

folder, durability = sys.argv[1:]
path = os.path.join(folder, "learning.db")

class Handler(logging.Handler):
    def emit(self, record):
        foreign("log handler")

class Processor(SpanProcessor):
    def on_start(self, span, parent_context=None):
        foreign("span processor")
    def on_end(self, span):
        foreign("span processor")

def told(name):
    return lambda *args: foreign(name)

def redact(text):
    foreign("redact")
    return text

class Provider(TracerProvider):
    def add_span_processor(self, processor):
        foreign("tracer provider")
        super().add_span_processor(processor)
    def get_tracer(self, *args, **options):
        foreign("tracer provider")
        return super().get_tracer(*args, **options)

class Meters(MeterProvider):
    def get_meter(self, *args, **options):
        foreign("meter provider")
        return super().get_meter(*args, **options)

detect = OTELResourceDetector.detect
OTELResourceDetector.detect = lambda detector: foreign("resource detector") or detect(detector)

logging.getLogger("learning_instrument").addHandler(Handler())
configure(os.path.join(folder, "global.db"))
shutdown()
provider, reader = Provider(), InMemoryMetricReader()
provider.add_span_processor(Processor())
meters = Meters([reader])
settings = dict(durability=durability, tracer_provider=provider, meter_provider=meters, redact=redact)
database = configure(path, retention_days=1, **settings)

class Pool:
    def get_metrics(self):
        foreign("pool")
        return {"workers": 1}

def judge(result):
    foreign("success_when")

def find(task, *others):
    foreign("fields")

@record_execution(
    request_hook=told("request_hook"), response_hook=told("response_hook"), success_when=judge, fields={"repo": find}
)
def task(task):
    if task == "bad":
        raise ValueError("a message of some length")
    return {"success": True}

def run(number):
    for n in range(number):
        try:
            task({"task_id": f"t-{n}", "prompt": "words of a prompt"} if n % 3 else "bad")
        except ValueError:
            pass

pool = Pool()
observe_pool(pool, meter_provider=meters)
run(30)
database.flush()
reader.get_metrics_data()

# A locked database, one that cannot be written, and invalid values.
other = sqlite3.connect(path, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
run(5)
other.execute("ROLLBACK")
other.close()
database.flush()
os.rename(path, path + ".away")
os.mkdir(path)
run(5)
database.flush(0.3)
os.rmdir(path)
run(2)
database.flush()

# Files that others tamper with, and retention.
os.truncate(path, 0)
time.sleep(1.5)
run(5)
database.flush()
old = "UPDATE executions SET timestamp = '2001-01-01T00:00:00.000000+00:00'"
with sqlite3.connect(path, timeout=10) as other:
    other.execute(old)
time.sleep(1.2)
run(3)
database.flush()

# A budget, a fork, and the commands' functions.
limited = record_execution(budget=Budget(usd=0.000001, on_limit=told("on_limit")))(lambda task: {"actual_cost": 1.0})
for n in range(3):
    limited({"task_id": str(n)})
    time.sleep(0.2)
child = os.fork()
if child == 0:
    held.locks.clear()  # those of the fork itself are new in the child
    run(3)
    database.flush()
    os._exit(1 if faults else 0)
if os.waitpid(child, 0)[1]:
    faults.append(("in a child", []))
database.rebuild_rollups(told("progress"))
database.backup(os.path.join(folder, "backup.db"), progress=told("progress"))
export_executions(database, os.path.join(folder, "out.jsonl"), progress=told("progress"))
import_executions(os.path.join(folder, "other.db"), [os.path.join(folder, "out.jsonl")], progress=told("progress"))
database.flush()
prune(path, limits(None, 1, None), progress=told("progress"))
shutdown()
print("faults:", sorted(set(map(str, faults))))
print("seen:", sorted(seen))
'''


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_no_foreign_code_runs_under_a_lock(tmp_path, durability):
    """Log handlers, hooks, callbacks, span processors and readers of metrics, in all that the package does."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), durability]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr[-3000:]
    found, seen = done.stdout.splitlines()
    assert found == "faults: []"
    for name in (
        "fields",
        "log handler",
        "meter provider",
        "pool",
        "progress",
        "redact",
        "request_hook",
        "span processor",
        "resource detector",
        "success_when",
        "tracer provider",
    ):
        assert name in seen
