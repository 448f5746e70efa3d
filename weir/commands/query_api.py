"""`weir query-api`: the query API and the page."""

import click

from weir.commands.entry import run
from weir.commands.serving import log_to_stderr


@click.command(name="query-api")
def query_api() -> None:
    """Run the query API, the page and the control data's publisher."""
    # FastAPI and its models take long to import, and only this command needs them.
    from query_api.server import serve
    from query_api.settings import QueryApiSettings

    log_to_stderr()
    serve(QueryApiSettings())


if __name__ == "__main__":
    # As the supervisor starts it: without loading the other commands.
    run(query_api)
