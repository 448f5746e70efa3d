"""`weir worker`: one stream worker."""

import click

from weir.commands.entry import run
from weir.commands.serving import log_to_stderr


@click.command()
def worker() -> None:
    """Run one Faust worker; start as many as there are cores."""
    # Faust takes seconds to import, and only this command needs it.
    from streams.settings import WorkerSettings
    from streams.worker import run as run_worker

    log_to_stderr()
    run_worker(WorkerSettings())


if __name__ == "__main__":
    # As the supervisor starts it: without loading the other commands.
    run(worker)
