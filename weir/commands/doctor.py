"""`weir doctor`: what keeps the local stack from starting, or at the moment from working."""

import sys

import click
from rich.console import Console

from weir.doctor import examine
from weir.settings import load
from weir.stack import running_state


@click.command()
def doctor() -> None:
    """Look at Java, Maven, Node, city database, ports, disk and data directory; exit status 1 if something is wrong."""
    settings, console = load(), Console()
    checks = list(examine(settings, running_state(settings.home.resolve())))
    for check in checks:
        mark = "[red]✗[/]" if check.problem else "[green]✓[/]"
        console.print(f"{mark} {check.name}: {check.found}", highlight=False)
        if check.problem:
            console.print(f"  {check.problem}", highlight=False, soft_wrap=True)
    sys.exit(1 if any(check.problem for check in checks) else 0)
