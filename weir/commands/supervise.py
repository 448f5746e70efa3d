"""`weir supervise`: the supervisor itself; `weir up` starts it."""

import os
import sys

import click

from weir.commands.entry import run
from weir.commands.serving import log_to_stderr
from weir.settings import load
from weir.supervisor import Supervisor


@click.command(hidden=True)
def supervise() -> None:
    """Run the local stack until SIGTERM."""
    log_to_stderr()
    sys.exit(Supervisor(load(), os.getpid()).run())


if __name__ == "__main__":
    # As the supervisor starts it: without loading the other commands.
    run(supervise)
