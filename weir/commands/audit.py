"""`weir audit`: is every event accounted for?"""

import sys

import click

from sinks.audit import audit as run_audit
from sinks.audit_report import render
from sinks.errors import SinkError
from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.settings import load


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--wait", "seconds", type=float, default=60.0, show_default=True, help="Seconds to wait for readers.")
def audit(*, as_json: bool, seconds: float) -> None:
    """Compare raw log, ledger, tables and rollups; exit status 0 only when every event is accounted for."""
    tell = None if as_json else lambda doing: click.echo(f"{doing} …", err=True)
    try:
        report = run_audit(sink_settings(load()), patience_seconds=seconds, progress=tell)
    except SinkError as error:
        raise WeirError(str(error)) from error
    click.echo(report.model_dump_json(indent=2) if as_json else render(report))
    sys.exit(0 if report.clean else 1)
