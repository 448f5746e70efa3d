"""Chaos: every part of a running stack is killed under load; then every answered event must be stored exactly once.

``python -m bench.chaos [--rounds N] [--rate N] [--outage SECONDS]`` prints what it does and exits with 0 only when the
store, the rollup and ``weir audit`` agree with what the senders were told. Two scenarios, each on a stack of its own:
every service is killed, and Kafka is away while the disk fills up and gateways are killed.
"""

import sys
import tempfile
import time
from pathlib import Path

import click

from tests.chaos import findings, freeze_worker, kafka_away, kill_each, small_disk, traffic_for
from tests.stack import Stack, running_stack
from tests.traffic import Traffic

_DISK = "24m"


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each service is killed.")
@click.option("--rate", default=2_000, show_default=True, help="Events per second while services are killed.")
@click.option("--outage", default=60, show_default=True, help="Seconds without Kafka at 1,000 events/s; 0 for none.")
def main(rounds: int, rate: int, outage: int) -> None:
    """Kill every part under load and prove that nothing is missing or doubled."""
    clean = True
    if rounds:
        with tempfile.TemporaryDirectory() as home, running_stack(Path(home), {"WEIR_WORKERS": "2"}) as stack:
            with traffic_for(stack, rate) as traffic:
                for number in range(rounds):
                    click.echo(f"round {number + 1} of {rounds}, {len(traffic.answered)} events answered")
                    kill_each(stack, pause=8)
                    freeze_worker(stack)
                time.sleep(5)
            clean = _is_clean(stack, traffic)
    if outage:
        clean = _outage(outage) and clean
    sys.exit(0 if clean else 1)


def _outage(seconds: int) -> bool:
    """Kafka away for so long; the spool's disk holds about half of what comes in a minute."""
    with tempfile.TemporaryDirectory() as home, small_disk(Path(home) / "spool", _DISK) as limited:
        environment = {"WEIR_GATEWAY_PROCESSES": "3"}
        if not limited:
            click.echo("mounting is not allowed here: the spool is bounded by its setting, not by a disk")
            environment["WEIR_GATEWAY_SPOOL_BYTES"] = str(8 * 1024 * 1024)
        with running_stack(Path(home), environment) as stack:
            with traffic_for(stack, 1_000) as traffic:
                time.sleep(5)
                click.echo(f"outage, {len(traffic.answered)} events answered")
                kafka_away(stack, seconds, click.echo)
                time.sleep(5)
            click.echo(f"refused: {dict(traffic.refused)}")
            return _is_clean(stack, traffic)


def _is_clean(stack: Stack, traffic: Traffic) -> bool:
    click.echo(
        f"{traffic.sent} events sent, {len(traffic.answered)} answered 200, {len(traffic.unsure)} without that; "
        "auditing …"
    )
    wrong = findings(stack, traffic)
    for sentence in wrong:
        click.echo(f"WRONG: {sentence}")
    if wrong:
        click.echo(stack.log_ends())
    else:
        click.echo("Clean: every answered event is stored once, in table and rollup.")
    return not wrong


if __name__ == "__main__":
    main()
