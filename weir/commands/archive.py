"""`weir archive`: the raw log as Parquet files, for as long as its owner wants."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from weir.commands.entry import run
from weir.commands.serving import log_to_stderr
from weir.errors import WeirError
from weir.settings import load


@click.group()
def archive() -> None:
    """Keep the raw log beyond Kafka's retention, as Parquet files (WEIR_ARCHIVE_LOCATION)."""


@archive.command("run")
def run_() -> None:
    """Copy weir.raw to the archive until stopped; goes on where the archive ends."""
    from streams.archive.service import serve
    from streams.archive.settings import ArchiveSettings

    log_to_stderr()
    with understood():
        serve(load().bootstrap, ArchiveSettings())


@archive.command("list")
def list_() -> None:
    """One line per partition: which offsets are archived, in how many parts."""
    from streams.archive.chain import read_chains
    from streams.archive.place import open_place
    from streams.archive.settings import ArchiveSettings

    with understood():
        place = open_place(ArchiveSettings().location)
        found = read_chains(place)
        for chain in found:
            size = sum(place.size(part.name) for part in chain.parts)
            first, last = (part.name.split("/")[2] for part in (chain.parts[0], chain.parts[-1]))
            click.echo(
                f"{chain.partition} (epoch {chain.epoch}): offsets {chain.start} to {chain.end}, {first} to {last}, "
                f"{len(chain.parts)} parts, {size:,} bytes"
            )
    if not found:
        click.echo("The archive is empty.")


@archive.command()
def verify() -> None:
    """Read every part, and see that the offsets join without a gap up to the log; exit status 0 only then."""
    from schemas.topics import RAW
    from streams.archive.place import open_place
    from streams.archive.settings import ArchiveSettings
    from streams.archive.verify import verify as verify_archive
    from streams.positions import read_logs

    bootstrap = load().bootstrap
    with understood():
        found = verify_archive(bootstrap, open_place(ArchiveSettings().location), read_logs(bootstrap)[RAW].epoch)
    for partition in found:
        behind = "" if partition.behind is None else f", {partition.behind} offsets of the log to come"
        click.echo(
            f"{partition.partition} (epoch {partition.epoch}): offsets {partition.start} to {partition.end}, "
            f"{partition.messages} messages in {partition.parts} parts{behind}"
        )
        for problem in partition.problems:
            click.echo(f"    {problem}")
    if not any(partition.parts for partition in found):
        # Nothing is as whole as can be, and hardly ever what somebody who asks wants to have.
        raise WeirError(
            "The archive is empty, so there is nothing to verify: `weir archive run` fills it, and so does `weir up` "
            "with WEIR_ARCHIVE_LOCATION set."
        )
    broken = sum(bool(partition.problems) for partition in found)
    click.echo("The archive is whole." if not broken else f"{broken} partitions of the archive are not whole.")
    sys.exit(1 if broken else 0)


@contextmanager
def understood() -> Iterator[None]:
    """Errors as sentences."""
    from confluent_kafka import KafkaException

    from streams.archive.place import ArchiveError
    from streams.control import ControlMissing

    try:
        yield
    except (ArchiveError, ControlMissing) as error:
        raise WeirError(str(error)) from error
    except OSError as error:
        raise WeirError(f"The archive cannot be used ({error}): look at WEIR_ARCHIVE_LOCATION.") from error
    except KafkaException as error:
        raise WeirError(f"Kafka at {load().bootstrap} cannot be read ({error}): is the broker up?") from error


if __name__ == "__main__":
    # As the supervisor starts it: without loading the other commands.
    run(archive)
