"""Chaos: every part of a running stack is killed under load; then every answered event must be stored exactly once.

``python -m bench.chaos [--rounds N] [--rate N]`` prints what it does and exits with 0 only when the store, the rollup
and ``weir audit`` agree with what the senders were told.
"""

import sys
import tempfile
import time
from pathlib import Path

import click

from tests.chaos import findings, freeze_worker, kill_each, traffic_for
from tests.stack import running_stack


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each service is killed.")
@click.option("--rate", default=2_000, show_default=True, help="Events per second.")
def main(rounds: int, rate: int) -> None:
    """Kill every part under load and prove that nothing is missing or doubled."""
    environment = {"WEIR_WORKERS": "2"}
    with tempfile.TemporaryDirectory() as home, running_stack(Path(home), environment) as stack:
        with traffic_for(stack, rate) as traffic:
            for number in range(rounds):
                click.echo(f"round {number + 1} of {rounds}, {len(traffic.answered)} events answered")
                kill_each(stack, pause=8)
                freeze_worker(stack)
            time.sleep(5)
        click.echo(
            f"{traffic.sent} events sent, {len(traffic.answered)} answered 200, {len(traffic.unsure)} without that; "
            "auditing …"
        )
        wrong = findings(stack, traffic)
        for sentence in wrong:
            click.echo(f"WRONG: {sentence}")
        if wrong:
            click.echo(stack.log_ends())
            sys.exit(1)
        click.echo("Clean: every answered event is stored once, in table and rollup.")


if __name__ == "__main__":
    main()
