"""`weir down`: stop the local stack."""

import click
from rich.console import Console

from weir.screen import StepView
from weir.settings import load
from weir.stack import stop_stack


@click.command()
def down() -> None:
    """Stop everything in order; nothing that was taken is lost."""
    console = Console()
    with StepView(console, only="stop ") as view:
        found = stop_stack(load().home.resolve(), view.show)
    console.print("Weir is down; everything it has taken is kept." if found else "Weir is not running.")
