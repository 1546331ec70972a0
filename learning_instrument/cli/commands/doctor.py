"""``doctor``: checks the installation, the environment and the database."""

import click

from ... import formatting
from ...maintenance.doctor import Finding, Severity, examine
from ...sqlite.paths import absolute
from ..options import database_option, database_path, output_options, output_wanted
from ..progress import waiting
from ..rendering import Output, TableColumn, csv_names, painted, print_note, render, write

_COLUMNS = (
    TableColumn("severity", "severity", lambda severity: severity.value),
    TableColumn("check", "check"),
    TableColumn("what", "what", is_text=True),
    TableColumn("remedy", "remedy", is_text=True),
)
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue"}


@click.command("doctor")
@database_option
@click.option("--strict", is_flag=True, help="Exit with 1 if there is an error or a warning.")
@output_options
def doctor_command(database: str | None, strict: bool, as_json: bool, as_csv: bool) -> None:
    """Check what keeps executions from being recorded.

    And what makes reports wrong: each finding comes with its remedy.
    """
    path = absolute(database_path(database))
    with waiting("Every value is checked."):
        findings = examine(path)
    output = output_wanted(as_json, as_csv)
    if output is Output.TEXT:
        print_note(f"{path}: {_counted(findings)}")
        for finding in findings:
            write(f"\n{painted(finding.severity.value, _STYLES[finding.severity])}: {finding.check}")
            print_note(finding.what)
            print_note(f"Remedy: {finding.remedy}")
    else:
        render(findings, _COLUMNS, output, names=csv_names(Finding))
    if strict and any(finding.severity is not Severity.NOTE for finding in findings):
        click.get_current_context().exit(1)


def _counted(findings: list[Finding]) -> str:
    counts = {severity: sum(finding.severity is severity for finding in findings) for severity in Severity}
    found = [formatting.counted(count, severity.value) for severity, count in counts.items() if count]
    return ", ".join(found) + "." if found else "no findings."
