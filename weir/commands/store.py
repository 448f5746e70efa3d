"""`weir store`: the embedded ClickHouse."""

import click

from weir.commands.entry import run
from weir.commands.serving import log_to_stderr
from weir.errors import WeirError


@click.command()
def store() -> None:
    """Run the embedded ClickHouse behind its HTTP protocol, on loopback."""
    # The engine is 400 MB of library: only this process loads it.
    from sinks.errors import StoreError
    from sinks.settings import StoreSettings
    from sinks.store.server import serve

    log_to_stderr()
    try:
        serve(StoreSettings())
    except StoreError as error:
        raise WeirError(str(error)) from error


if __name__ == "__main__":
    # As the supervisor starts it: without loading the other commands.
    run(store)
