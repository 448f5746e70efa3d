"""`weir backup`: an installation kept elsewhere."""

import click

from weir.errors import WeirError
from weir.progress import readable_bytes
from weir.settings import load


@click.group(invoke_without_command=True)
@click.option("--incremental", is_flag=True, help="Only what is new since the newest backup, which it needs then.")
@click.pass_context
def backup(context: click.Context, *, incremental: bool) -> None:
    """Back up tables, control data and what Kafka has beside them, while everything runs.

    Into a folder of its own below WEIR_BACKUP_LOCATION; its name is the time.
    """
    if context.invoked_subcommand is not None:
        return
    from weir.backup import back_up

    made = back_up(load(), incremental=incremental, tell=_tell)
    click.echo(made.name)
    click.echo(f"{len(made.files):,} files, {readable_bytes(made.size)}{_based(made.base)}", err=True)
    if not made.is_whole:
        click.echo(
            "The workers were behind: what they had not processed is in Kafka alone. Is a worker running?", err=True
        )


@backup.command("list")
def list_() -> None:
    """The backups there are, oldest first."""
    from sinks.backup import BackupError
    from sinks.backup_manifest import list_backups

    folder = load().backups
    found = list_backups(folder)
    for name, manifest in found:
        if isinstance(manifest, BackupError):
            click.echo(f"{name}  NOT USABLE: {manifest}")
        else:
            click.echo(f"{name}  {readable_bytes(manifest.size):>12}  Weir {manifest.version}{_based(manifest.base)}")
    if not found:
        click.echo(f"There is no backup in {folder}.")


@backup.command()
@click.argument("name")
def verify(name: str) -> None:
    """Read a backup, and those it is based on, and compare every file with its checksum. Exit status 0 only if all is
    there.
    """
    from sinks.backup_manifest import verify as run
    from sinks.errors import SinkError

    try:
        wrong = run(load().backups, name, lambda files, size: None)
    except (SinkError, OSError) as error:
        raise WeirError(str(error)) from error
    if wrong:
        raise WeirError(
            "\n".join([*wrong[:20], f"{len(wrong)} files are not as they were written: it cannot be restored."])
        )
    click.echo("The backup is whole.")


def _based(base: str | None) -> str:
    return "" if base is None else f", based on {base}"


def _tell(doing: str) -> None:
    click.echo(f"{doing} …", err=True)
