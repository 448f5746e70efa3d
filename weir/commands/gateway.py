"""`weir gateway`: the HTTP gateway."""

import click

from weir.commands.entry import run
from weir.commands.serving import log_to_stderr


@click.command()
def gateway() -> None:
    """Run the gateway that takes events over HTTP."""
    # Loads what the gateway's process needs and no other command does.
    from ingest.server import serve
    from ingest.settings import GatewaySettings

    log_to_stderr()
    serve(GatewaySettings())


if __name__ == "__main__":
    # As the supervisor starts it: without loading the other commands.
    run(gateway)
