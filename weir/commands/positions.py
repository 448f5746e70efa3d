"""`weir positions`: where the workers are in their source topics, and how to move on when they refuse to."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.settings import load


@click.group()
def positions() -> None:
    """Where the workers are, and how to go on when messages were lost."""


@positions.command()
def show() -> None:
    """One line per source partition: where a worker goes on, what the log holds, what would stop it."""
    from streams.positions import read_logs, read_positions

    bootstrap, shards = _addressed()
    with _understood(bootstrap):
        for found in read_positions(bootstrap, read_logs(bootstrap, shards)):
            at = "never read" if found.stored is None else f"next {found.stored.offset} (epoch {found.stored.epoch})"
            state = found.problem or f"{found.high - found.next} behind"
            click.echo(f"{found.topic}/{found.partition}: {at}, log {found.low} to {found.high}, {state}")


@positions.command()
@click.argument("partition", metavar="TOPIC/PARTITION")
@click.option("--to", type=int, help="Offset to go on at; by default the oldest that was not processed and is there.")
def reset(partition: str, to: int | None) -> None:
    """Accept that messages are lost and let workers go on. What is skipped is written down in the ledger.

    An offset before the default is for emergencies: what was processed from there on is processed again.
    """
    from streams.positions import read_logs, reset_position

    topic, _, number = partition.rpartition("/")
    if not number.isdigit():
        raise WeirError(f"{partition} names no partition: say, for example, 'weir positions reset weir.raw/3'.")
    bootstrap, shards = _addressed()
    with _understood(bootstrap):
        logs = read_logs(bootstrap, shards)
        before, offset = reset_position(bootstrap, logs, topic, int(number), to, shards=shards)
    was = "no position" if before.stored is None else f"offset {before.stored.offset}"
    click.echo(f"{partition}: was at {was}, goes on at {offset}; the log holds {before.low} to {before.high}.")


def _addressed() -> tuple[str, int]:
    """Where Kafka is, and how many shards the store has."""
    settings = load()
    return settings.bootstrap, sink_settings(settings).clickhouse_shards


@contextmanager
def _understood(bootstrap: str) -> Iterator[None]:
    """Errors as sentences."""
    from confluent_kafka import KafkaException

    from streams.control import ControlMissing

    try:
        yield
    except (ControlMissing, ValueError) as error:
        raise WeirError(str(error)) from error
    except KafkaException as error:
        raise WeirError(f"Kafka at {bootstrap} did not do it: {error}.") from error
