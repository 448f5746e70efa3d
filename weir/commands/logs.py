"""`weir logs`: the combined view of all services."""

import click
from rich.console import Console

from weir.errors import WeirError
from weir.logs import show_logs
from weir.settings import load


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on showing what comes.")
def logs(*, follow: bool) -> None:
    """Show what the services write, each with its name in its colour."""
    folder = load().home.resolve() / "logs"
    if not folder.is_dir():
        raise WeirError(f"There are no logs in {folder} yet: start the stack with `weir up`.")
    try:
        show_logs(Console(), folder, follow=follow)
    except KeyboardInterrupt:
        return
