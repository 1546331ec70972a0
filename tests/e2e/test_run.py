"""``learning-instrument run``: the installed command, applications that know nothing of us, and a collector."""

import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from fresh import install, variables

from learning_instrument import ExecutionRecord

COMMAND = Path(sys.executable).parent / "learning-instrument"
IDS = ["t-0", "t-1", "t-2"]


@pytest.fixture
def run(tmp_path, app):
    """Run ``learning-instrument run`` in the application's folder; answer with the finished process."""

    def run(*arguments, command=COMMAND, cwd="app", **more):
        return subprocess.run(
            [str(command), "run", "--database", "../learning.db", "--pools", "some_pools:Pool", *arguments],
            cwd=tmp_path / cwd,
            env=variables(**more),
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


def received(sink):
    """Return the spans that arrived, as (service, task id)."""
    return [
        (span.resource.attributes["service.name"], span.attributes["learning_instrument.task.id"])
        for span in sink.spans()
    ]


# Our package alone.


@pytest.mark.parametrize("command", [["python", "app.py", "a", "--b"], ["app.py", "a", "--b"]])
def test_one_line_records_an_application(no_file, run, task_ids, command):
    """With or without the name of the interpreter, though no environment is active; it makes the database."""
    done = run(*command)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done a --b\n", "")
    assert task_ids() == IDS


def test_database_is_the_same_wherever_the_application_goes(run, app, task_ids, tmp_path):
    """A relative path is that of the folder in which the command was given."""
    app("""
        import os, some_pools
        os.makedirs("elsewhere/deeper")
        os.chdir("elsewhere/deeper")
        some_pools.Pool().execute_task({"task_id": "t"})
    """)

    done = run("app.py")

    assert (done.returncode, done.stderr) == (0, "")
    assert task_ids() == ["t"]


def test_database_that_the_application_overrides_is_named(run, app):
    """Its own ``configure()`` takes precedence over ``--database``."""
    app("""
        import some_pools
        from learning_instrument import configure
        configure("own.db")
        some_pools.Pool().execute_task({"task_id": "t"})
    """)

    done = run("app.py")

    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert "/learning.db, which the instrumentor was given (learning-instrument run --database" in line
    assert "/app/own.db" in line


def test_child_process_is_recorded_too(run, app, task_ids):
    """One started by name and one by multiprocessing."""
    app("""
        import multiprocessing, subprocess, sys
        from some_pools import Pool

        if __name__ == "__main__":
            program = "import some_pools; some_pools.Pool().execute_task({'task_id': 'by name'})"
            subprocess.run([sys.executable, "-c", program], check=True)
            process = multiprocessing.get_context("spawn").Process(
                target=Pool().execute_task, args=({"task_id": "spawned"},)
            )
            process.start()
            process.join()
    """)

    done = run("python", "app.py")

    assert (done.returncode, done.stderr) == (0, "")
    assert task_ids() == ["by name", "spawned"]


def test_limits_hold_without_code(no_file, run, app, database, rows):
    """Retention deletes what is old, and a budget warns: in the process that runs, and in one that it starts."""
    old = datetime.now(timezone.utc) - timedelta(days=400)
    database.append([ExecutionRecord(task_type="old", timestamp=old)])
    database.close()
    path = app("""
        import subprocess, sys, time
        from pools_with_costs import Pool
        for n in range(3):
            Pool().execute_task({"task_id": sys.argv[1], "cost": 1})
        if sys.argv[1] == "parent":
            subprocess.run([sys.executable, sys.argv[0], "child"], check=True)
            time.sleep(0.5)  # the background thread trims
    """)
    Path(path).with_name("pools_with_costs.py").write_text(
        "class Pool:\n    def execute_task(self, task):\n        return {'cost': task['cost']}\n"
    )

    done = run(
        *("--pools", "pools_with_costs:Pool", "--retention-days", "90", "--max-size", "1GB"),
        *("--budget", "2/day by=pool_type", "app.py", "parent"),
    )

    assert done.returncode == 0
    assert [row["task_id"] for row in rows()] == ["parent"] * 3 + ["child"] * 3
    said = "The budget of $2.00 a day for pool_type 'Pool' is spent"
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [said, said]


# Silence.


def nothing(tmp_path):
    return f"Nothing was recorded into {tmp_path / 'learning.db'}: "


@pytest.mark.parametrize(
    ("pools", "source", "why"),
    [
        (
            "",
            "print()",
            "no pools are named. Name them by --pools, such as package.module:Class or celery, or decorate what runs a"
            " task with @record_execution.",
        ),
        (
            "app:Pool",
            "class Pool:\n    def execute_task(self, task): return 1\nPool().execute_task({})",
            "app:Pool is of the script itself, whose module is __main__: name __main__:Pool.",
        ),
        ("some_pools:Pool", "import some_pools", "the application ran no task of some_pools:Pool."),
        ("some_pools:Pool,celery", "print()", "the application did not import some_pools:Pool and celery."),
        (
            "some_pools:Pool",
            "import some_pools, sys; sys.modules['celery'] = sys.modules['luigi'] = sys",
            "the application ran no task of some_pools:Pool. It imported celery, not instrumented: add --pools celery."
            " It imported luigi, which no adapter covers: name the class or function that runs a task, or decorate it.",
        ),
    ],
)
def test_nothing_recorded_is_said_at_the_end(no_file, run, app, tmp_path, pools, source, why):
    """With the reason; no file is made."""
    app(source)

    done = run("--pools", pools, "app.py")

    assert done.returncode == 0
    assert done.stderr == f"{nothing(tmp_path)}{why}\n"
    assert not (tmp_path / "learning.db").exists()


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("raise SystemExit(7)", 7),
        ("raise ValueError", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("sys.stderr.close()", 0),
    ],
)
def test_exit_code_of_a_silent_application_is_its_own(no_file, run, app, tmp_path, ending, status):
    """However it ends, and whether it can be told."""
    app(f"import some_pools, sys\n{ending}")

    done = run("app.py")

    assert done.returncode == status
    assert ending == "sys.stderr.close()" or done.stderr.splitlines()[-1].startswith(nothing(tmp_path))


@pytest.mark.parametrize("command", [["python", "-m", "app"], ["python", "-m", "package.app"]])
def test_module_that_is_run_is_the_scripts_own(no_file, run, app, tmp_path, command):
    """By whatever name it is run."""
    path = app("class Pool:\n    def execute_task(self, task): return 1\nPool().execute_task({})")
    package = Path(path).with_name("package")
    package.mkdir()
    (package / "app.py").write_text(Path(path).read_text())

    done = run("--pools", f"{command[-1]}:Pool", *command)

    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Nothing ")]
    assert line.endswith(f"{command[-1]}:Pool is of the script itself, whose module is __main__: name __main__:Pool.")


@pytest.mark.parametrize(
    ("pools", "source", "why"),
    [
        ("auto", "import joblib", "the application ran no task of joblib."),
        ("auto", "print()", "the application imported none of the libraries that auto stands for."),
        ("auto,some_pools:Pool", "import joblib", "the application did not import some_pools:Pool."),
    ],
)
def test_auto_names_only_libraries_that_were_imported(no_file, run, app, tmp_path, pools, source, why):
    """Of all that are installed, the others say nothing of the application."""
    app(source)

    assert run("--pools", pools, "app.py").stderr == f"{nothing(tmp_path)}{why}\n"


def test_library_that_is_imported_and_not_instrumented_is_named(no_file, run, app, tmp_path):
    """A real one; and a package of the application's own that is called as one is, is none."""
    app("import joblib, agents")
    (tmp_path / "agents.py").touch()

    done = run("--pools", "", "app.py")

    assert "It imported joblib, not instrumented: add --pools joblib." in done.stderr


def test_recording_turned_off_is_the_reason(no_file, run, app, tmp_path):
    done = run("app.py", OTEL_SDK_DISABLED="true")

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr == nothing(tmp_path) + "OTEL_SDK_DISABLED=true turns recording off.\n"


@pytest.mark.parametrize(
    "source",
    [
        # In a process that it starts, alone.
        """
        import subprocess, sys
        program = "import some_pools; some_pools.Pool().execute_task({})"
        subprocess.run([sys.executable, "-c", program], check=True)
        """,
        # In a forked one.
        """
        import multiprocessing, some_pools
        process = multiprocessing.get_context("fork").Process(target=some_pools.Pool().execute_task, args=({},))
        process.start()
        process.join()
        """,
        # Into a file of its own.
        """
        from learning_instrument import LearningDatabase, record_execution
        record_execution(learning_db=LearningDatabase("own.db"))(lambda task: 1)({})
        """,
        # By its own configuration, which it ends.
        """
        from learning_instrument import configure, record_execution, shutdown
        configure()
        record_execution(lambda task: 1)({})
        shutdown()
        """,
        # In batch mode, where it is still queued.
        """
        from learning_instrument import configure, record_execution
        configure(durability="batch")
        record_execution(lambda task: 1)({})
        """,
    ],
)
def test_application_that_recorded_says_nothing(no_file, run, app, source):
    """Whichever process did, and wherever to; what was in the file before does not count."""
    app(source)

    done = run("app.py")

    assert (done.returncode, done.stderr) == (0, "")


def test_rows_of_an_earlier_run_are_none_of_this_one(no_file, run, app, tmp_path):
    """A file that has rows is no proof."""
    assert run("app.py").stderr == ""
    app("import some_pools")

    assert run("app.py").stderr == f"{nothing(tmp_path)}the application ran no task of some_pools:Pool.\n"


def test_processes_of_a_silent_application_say_nothing(no_file, run, app, tmp_path):
    """One line in all, of the command itself, however many it starts."""
    app("""
        import multiprocessing, subprocess, sys
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        process = multiprocessing.get_context("fork").Process(target=print)
        process.start()
        process.join()
    """)

    done = run("app.py")

    assert done.stderr.count("\n") == 1


def test_exit_code_is_the_commands(run, app):
    app("raise SystemExit(7)")

    assert run("app.py").returncode == 7


def test_signals_reach_the_command_itself(app, tmp_path):
    """It takes the place of ``run``, under the same process id."""
    path = app("""
        import os, time
        print(os.getpid(), flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen(
        [str(COMMAND), "run", "--database", str(tmp_path / "x.db"), path],
        env=variables(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)

    assert said == f"{process.pid}\n"
    assert status == -signal.SIGTERM


def test_what_the_user_set_stays(run, app, task_ids):
    """Only an option goes before it."""
    app("""
        import os
        names = ("OTEL_SERVICE_NAME", "OTEL_TRACES_EXPORTER", "LEARNING_INSTRUMENT_DURABILITY")
        print(*[os.environ.get(name) for name in names])
    """)

    done = run(
        "app.py", OTEL_SERVICE_NAME="mine", OTEL_TRACES_EXPORTER="console", LEARNING_INSTRUMENT_DURABILITY="batch"
    )

    assert done.stdout == "mine console batch\n"


def test_collector_gets_what_the_database_gets(run, sink, task_ids):
    """Without a configured SDK."""
    done = run("--otlp", sink.url, "--service-name", "shop", "app.py")

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert task_ids() == IDS
    assert received(sink) == [("shop", task_id) for task_id in IDS]
    assert {request.path for request in sink.requests} == {"/v1/traces"}


# With the distribution of OpenTelemetry.


@pytest.fixture(scope="session")
def distro(tmp_path_factory):
    """The command beside the distribution, without any OTLP exporter, which is its default."""
    return install(tmp_path_factory.mktemp("run-distro"), "opentelemetry-distro") / COMMAND.name


@pytest.fixture(scope="session")
def distro_and_exporter(tmp_path_factory):
    """The command beside the distribution and the OTLP exporter."""
    packages = ("opentelemetry-distro", "opentelemetry-exporter-otlp-proto-http")
    return install(tmp_path_factory.mktemp("run-otlp"), *packages) / COMMAND.name


@pytest.mark.slow
@pytest.mark.parametrize("exporter", [None, "learning_sqlite", "console"])
def test_distro_is_one_row_for_each_execution(run, distro, task_ids, exporter):
    """With any exporter, or none."""
    done = run("app.py", command=distro, **({"OTEL_TRACES_EXPORTER": exporter} if exporter else {}))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("done\n")
    assert done.stdout.count('"learning_instrument.task.id"') == (3 if exporter == "console" else 0)
    assert task_ids() == IDS


@pytest.mark.slow
def test_distro_without_the_exporter_is_one_line(run, distro, sink):
    done = run("--otlp", sink.url, "app.py", command=distro)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: --otlp needs an OTLP exporter, and none is installed for the protocol in use;"
        " run: pip install 'learning_instrument[otlp]'.\n"
    )


@pytest.mark.slow
def test_distro_and_a_collector(run, distro_and_exporter, sink, task_ids):
    """One row and one span for each execution, under the service's name."""
    done = run("--otlp", sink.url, "--service-name", "shop", "app.py", command=distro_and_exporter)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert task_ids() == IDS
    assert received(sink) == [("shop", task_id) for task_id in IDS]
