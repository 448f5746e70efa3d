"""kill -9 of the store, again and again while it ingests: ``python -m bench.store_chaos [--kills 20] [--rate 5000]``.

A broker, a store and a load of events, sessions that go on and profiles that change. Afterwards every event is there
once, every session and profile is as it was last sent, and every rollup is what its table comes to.
"""

import random
import sys
import tempfile
from pathlib import Path

import click

from schemas.topics import TOPICS
from tests.broker import running_broker
from tests.integration.sinks.killing import kill_again_and_again
from tests.integration.sinks.store import running_store


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--rate", default=5_000, show_default=True, help="Events per second.")
@click.option("--seed", type=int, help="Of an earlier run, to have its moments again.")
def main(kills: int, rate: int, seed: int | None) -> None:
    """Kill the store while it ingests, and prove that nothing is missing or doubled."""
    seed = random.randrange(10**6) if seed is None else seed
    click.echo(f"seed {seed}")
    with (
        tempfile.TemporaryDirectory() as home,
        running_broker(Path(home) / "kafka") as broker,
        running_store(Path(home)) as store,
    ):
        for spec in TOPICS:
            broker.create_topic_named(spec.name, spec.partitions or 2, spec.config)
        wrong = kill_again_and_again(store, store.settings(broker.bootstrap), rate, kills, seed, click.echo)
    for sentence in wrong:
        click.echo(f"WRONG: {sentence}")
    if wrong:
        sys.exit(1)
    click.echo("Exact: every event is stored once, sessions, profiles and rollups are right.")


if __name__ == "__main__":
    main()
