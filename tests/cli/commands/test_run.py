"""``learning-instrument run``: what it refuses; what it runs is tried end to end."""

import pytest
from asking import ask

from learning_instrument.cli.commands import run


def test_what_cannot_run_is_one_line(tmp_path, monkeypatch, subtests):
    """With the remedy, and exit code 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "start", lambda launch: pytest.fail(f"it started {launch}"))
    (tmp_path / "app.py").touch()
    for arguments, environment, complaint in [
        (["no-such-command"], {}, "Error: Command 'no-such-command' not found: check its spelling and your PATH.\n"),
        (["no_such.py"], {}, "Error: No script 'no_such.py' in "),
        (["--otlp", "localhost", "app.py"], {}, "Error: Invalid --otlp 'localhost': expected the URL of a collector"),
        (["--otlp", "http://x:1", "app.py"], {"OTEL_CONFIG_FILE": "otel.yaml"}, "Error: --otlp has no effect beside"),
        (["--otlp", "http://x:1", "app.py"], {"OTEL_EXPORTER_OTLP_PROTOCOL": "odd"}, "Error: --otlp needs an OTLP exp"),
        (
            ["--retention-days", "0", "app.py"],
            {},
            "Error: Invalid retention_days '0': expected a number of days above 0.",
        ),
        (["--max-size", "1", "app.py"], {}, "Error: Invalid max_size '1': "),
        (
            ["--budget", "1", "app.py"],
            {},
            "Error: Invalid budget '1': expected US dollars for each hour, day or month, such",
        ),
        (["--budget", "1/day,1/week", "app.py"], {}, "Error: Invalid per 'week': expected one of hour, day, month."),
        ([], {}, "Error: Missing argument 'COMMAND...'. See learning-instrument run --help.\n"),
        (["--poools", "x", "app.py"], {}, "Error: No such option"),
    ]:
        with subtests.test(" ".join(arguments)), monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)

            done = ask("learning.db", "run", *arguments)

            assert (done.exit_code, done.stdout) == (2, "")
            assert done.stderr.startswith(complaint)
            assert done.stderr.count("\n") == 1
