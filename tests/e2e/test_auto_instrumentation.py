"""``opentelemetry-instrument python app.py``: an application that knows nothing of us, in a process of its own."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from fresh import ROOT, install, variables

IDS = ["t-0", "t-1", "t-2"]


@pytest.fixture
def metadata(tmp_path):
    """Return what ``PYTHONPATH`` needs for this source tree to be an installed package."""
    if any(entry.name == "learning_instrument" for entry in entry_points(group="opentelemetry_instrumentor")):
        return []
    declared = (ROOT / "pyproject.toml").read_text()
    sections = re.findall(r"^\[project\.entry-points\.(\w+)\]\n((?:.+\n)+)", declared, re.M)
    folder = tmp_path / "site" / "learning_instrument-0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: learning_instrument\nVersion: 0.0\n")
    (folder / "entry_points.txt").write_text(
        "".join(f"[{group}]\n{text}\n" for group, text in sections).replace('"', "")
    )
    return [str(folder.parent), str(ROOT)]


@pytest.fixture
def run(tmp_path, metadata, app):
    """Run the application; answer with the finished process."""

    def run(python=sys.executable, path=metadata, **environment):
        environment = {
            "LEARNING_INSTRUMENT_POOLS": "some_pools:Pool",
            "LEARNING_INSTRUMENT_DATABASE": str(tmp_path / "learning.db"),
            **environment,
        }
        if path:
            environment["PYTHONPATH"] = os.pathsep.join(path)
        command = Path(python).parent / "opentelemetry-instrument"
        command = str(command) if command.exists() else shutil.which("opentelemetry-instrument")
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        return subprocess.run(
            [command, str(python), str(tmp_path / "app" / "app.py")],
            cwd=tmp_path / "elsewhere",
            env=variables(**environment),
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


# This package alone, without a configured SDK.


def test_one_command_records_into_the_named_database(no_file, run, task_ids):
    """Which it makes; and the application runs as ever."""
    done = run()

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert task_ids() == IDS


def test_without_a_name_it_is_the_default_database(run, tmp_path):
    """In the current folder."""
    done = run(LEARNING_INSTRUMENT_DATABASE="")

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "elsewhere" / "learning.db").exists()


def test_installed_package_declares_its_pools(run, tmp_path, metadata, task_ids):
    folder = tmp_path / "declared" / "some_pools-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: some_pools\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[learning_instrument_pools]\npool = some_pools:Pool\n")

    done = run(path=[*metadata, str(folder.parent)], LEARNING_INSTRUMENT_POOLS="")

    assert (done.returncode, done.stderr) == (0, "")
    assert task_ids() == IDS


def test_target_that_is_not_there_is_one_warning(run, task_ids):
    """The others are recorded, and the application runs on."""
    done = run(LEARNING_INSTRUMENT_POOLS="no_such_package:Pool,some_pools:Pool,some_pools:Nobody,nonsense")

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert sorted(re.findall(r"target '?([\w:]+)", done.stderr)) == [
        "no_such_package:Pool",
        "nonsense",
        "some_pools:Nobody",
    ]
    assert done.stderr.count("\n") == 3
    assert task_ids() == IDS


def test_unusable_environment_is_one_warning(run):
    """And the instrumentors of others are still loaded."""
    done = run(LEARNING_INSTRUMENT_DURABILITY="nonsense")

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("\n") == 1
    assert "'nonsense'" in done.stderr


def test_applications_own_provider_gets_the_spans(run, app, task_ids):
    """It is set after us, and is not refused."""
    app("""
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from some_pools import Pool

        Pool().execute_task({"task_id": "before"})
        exporter, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        assert trace.get_tracer_provider() is provider
        Pool().execute_task({"task_id": "after"})
        print(*[span.attributes["learning_instrument.task.id"] for span in exporter.get_finished_spans()])
    """)

    done = run()

    assert (done.returncode, done.stdout, done.stderr) == (0, "after\n", "")
    assert task_ids() == ["before", "after"]


def test_applications_own_configure_wins(run, app, tmp_path, task_ids):
    """It names another database, and gets it; one line says which is ignored."""
    app(f"""
        from learning_instrument import configure
        from some_pools import Pool

        Pool().execute_task({{"task_id": "before"}})
        mine = configure({str(tmp_path / "mine.db")!r})
        Pool().execute_task({{"task_id": "after"}})
        print(mine.query("SELECT task_id FROM executions"))
    """)

    done = run()

    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("Ignored ")
    assert done.stdout == "[{'task_id': 'after'}]\n"
    assert task_ids() == ["before"]


def test_child_processes_are_instrumented_too(run, app, task_ids):
    """They inherit the command's environment, started in any way."""
    app("""
        import multiprocessing
        from some_pools import Pool

        if __name__ == "__main__":
            for method in ("spawn", "fork"):
                process = multiprocessing.get_context(method).Process(
                    target=Pool().execute_task, args=({"task_id": method},)
                )
                process.start()
                process.join()
    """)

    done = run()

    assert (done.returncode, done.stderr) == (0, "")
    assert task_ids() == ["spawn", "fork"]


def test_class_of_the_script_itself(run, app, task_ids):
    app("""
        class Pool:
            def execute_task(self, task):
                return self.run(task)
            def run(self, task):
                return task
        Pool().execute_task({"task_id": "t"})
    """)

    done = run(LEARNING_INSTRUMENT_POOLS="__main__:Pool")

    assert (done.returncode, done.stderr) == (0, "")
    assert task_ids() == ["t"]


def test_disabled_by_opentelemetrys_own_variable(run, tmp_path):
    """Nothing is recorded, and nothing said."""
    done = run(OTEL_SDK_DISABLED="true")

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert not (tmp_path / "learning.db").exists()


# With the distribution of OpenTelemetry, and its configuration file.


@pytest.fixture(scope="session")
def distro(tmp_path_factory):
    """Install this source tree, the distribution and the configuration file's package, in a fresh environment."""
    packages = ("opentelemetry-distro", "opentelemetry-sdk[file-configuration]")
    return install(tmp_path_factory.mktemp("distro"), *packages) / "python"


ONLY_OURS = {
    "OTEL_TRACES_EXPORTER": "learning_sqlite",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


@pytest.mark.slow
def test_distro_with_our_exporter_is_one_row_for_each_execution(run, distro, task_ids):
    """Though exporter and instrumentor both record."""
    done = run(distro, [], **ONLY_OURS)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert task_ids() == IDS


@pytest.mark.slow
def test_distro_beside_another_exporter(run, distro, task_ids):
    """Which gets the same spans."""
    done = run(distro, [], **{**ONLY_OURS, "OTEL_TRACES_EXPORTER": "learning_sqlite,console"})

    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r'"learning_instrument.task.id": "(.*?)"', done.stdout) == IDS
    assert task_ids() == IDS


@pytest.mark.slow
def test_configuration_file_has_our_exporter_and_our_options(run, distro, tmp_path, rows):
    """The names in the file are the keywords of exporter and instrumentor."""
    path = tmp_path / "otel.yaml"
    path.write_text(
        textwrap.dedent(f"""
            file_format: "1.0"
            tracer_provider:
              processors:
                - batch:
                    exporter:
                      learning_sqlite:
                        database: "{tmp_path / "learning.db"}"
            instrumentation/development:
              python:
                learning_instrument:
                  targets: some_pools:Pool
                  database: "{tmp_path / "learning.db"}"
                  pool_type: from_the_file
        """)
    )

    done = run(
        distro,
        [],
        OTEL_CONFIG_FILE=str(path),
        LEARNING_INSTRUMENT_POOLS="",
        LEARNING_INSTRUMENT_DATABASE=str(tmp_path / "not.db"),
    )

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "Traceback" not in done.stderr
    assert [(row["task_id"], row["pool_type"]) for row in rows()] == [(task_id, "from_the_file") for task_id in IDS]
    assert not (tmp_path / "not.db").exists()
