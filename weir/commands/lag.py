"""`weir.commands.lag`: how far readers are behind, as JSON; `weir status` runs it.

A process of its own: a Kafka client that is ended while the broker dies may take its process with it, and
`weir status` must answer all the same.
"""

import json
import os
import sys

import click
from confluent_kafka import KafkaException

from weir.commands.entry import run
from weir.lag import lag_by_topic
from weir.settings import load


@click.command()
def lag() -> None:
    """Messages behind per topic; nothing when the broker does not tell."""
    try:
        found = lag_by_topic(load().bootstrap)
    except (KafkaException, TimeoutError):
        found = {}
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    # The client is not taken apart: what it still asks for has no one to answer to.
    os._exit(0)


if __name__ == "__main__":
    run(lag)
