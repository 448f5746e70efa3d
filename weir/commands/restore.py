"""`weir restore`: an installation from a backup."""

import sys

import click

from weir.errors import WeirError
from weir.settings import load


@click.command()
@click.argument("name")
@click.option("--replace", is_flag=True, help="Also where something is stored, which is replaced.")
@click.option(
    "--control-only", is_flag=True, help="Only projects, keys and erasures; neither Kafka nor ClickHouse need run."
)
@click.option("--verify/--no-verify", "verify_first", default=True, help="Compare every file with its checksum first.")
@click.option("--audit/--no-audit", "audit_after", default=True, help="Compare everything with the ledger in the end.")
@click.option(
    "--wait", "seconds", type=float, default=120.0, show_default=True, help="Seconds the audit waits for readers."
)
def restore(
    name: str, *, replace: bool, control_only: bool, verify_first: bool, audit_after: bool, seconds: float
) -> None:
    """Restore a backup; what Kafka still has of later comes again.

    Exit status 0 only if all is accounted for afterwards, 1 if something is not.
    """
    from sinks.audit import audit
    from sinks.audit_report import render
    from sinks.backup import refuse_cluster
    from sinks.backup_manifest import verify
    from sinks.errors import SinkError
    from weir.prepare import sink_settings
    from weir.restore import restore as run
    from weir.restore import restore_control

    settings = load()
    try:
        if not control_only:
            refuse_cluster(sink_settings(settings))
        if verify_first:
            _tell("reading the backup")
            if wrong := verify(settings.backups, name, lambda files, size: None):
                raise WeirError(f"{wrong[0]} Nothing was changed. weir backup verify {name} tells all.")
        if control_only:
            click.echo(f"{restore_control(settings, name)} records restored: start Weir (weir up).")
            return
        done = run(settings, name, replace=replace, tell=_tell)
        for topic, missing in done.missing.items():
            click.echo(
                f"Kafka has deleted {missing:,} offsets of {topic} since the backup: weir reprocess makes events and "
                "sessions of that time again, if the raw log or its archive still has it.",
                err=True,
            )
        if not (done.is_same_log or done.is_whole):
            click.echo(
                "When the backup was made the workers were behind: what they had not processed is lost with its Kafka.",
                err=True,
            )
        if not audit_after:
            click.echo("Restored.")
            return
        report = audit(sink_settings(settings), patience_seconds=seconds, progress=_tell)
    except (SinkError, OSError) as error:
        raise WeirError(str(error)) from error
    click.echo(render(report))
    sys.exit(0 if report.clean else 1)


def _tell(doing: str) -> None:
    click.echo(f"{doing} …", err=True)
