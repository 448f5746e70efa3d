"""`weir status`: what is up, how far behind it is, how much is stored."""

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from weir.settings import load
from weir.spool import SpoolReport
from weir.status import Status, collect

_COLOURS = {"up": "green", "starting": "yellow", "restarting": "yellow", "stopping": "yellow", "not ready": "red"}
_COLOURS |= {"not answering": "red", "down": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs; shows the demo clients' secrets.")
def status(*, as_json: bool) -> None:
    """Say what is up, consumer lag per topic, rows stored and dead letters."""
    found = collect(load())
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        _show(Console(), found)


def _spool(spool: SpoolReport) -> str:
    waiting = "envelopes" if spool.envelopes is None else f"{spool.envelopes:,} envelopes"
    said = f"spool: {waiting} wait for Kafka on the gateway's disk ({spool.bytes / 1024**2:.1f} MiB)"
    if spool.unreadable:
        said += f"; {spool.unreadable} directories cannot be read, see `weir logs`"
    return said


def _show(console: Console, found: Status) -> None:
    services = Table("service", "state", "address", "process", box=None, header_style="dim")
    for name, service in found.services.items():
        colour = _COLOURS.get(service.state, "white")
        pid = str(service.pid) if service.pid else ""
        services.add_row(name, f"[{colour}]{service.state}[/]", service.address or "", pid)
    console.print(services)
    for name, service in found.services.items():
        if service.problem and service.state != "up":
            console.print(f"[red]{name}[/]: {escape(service.problem)}", soft_wrap=True, highlight=False)
    if found.spool is not None:
        console.print(f"\n[yellow]{_spool(found.spool)}[/]", soft_wrap=True, highlight=False)
    for title, numbers in (("messages behind", found.lag), ("rows stored", found.rows)):
        table = Table("", title, box=None, header_style="dim")
        table.columns[1].justify = "right"
        for name, number in numbers.items():
            table.add_row(name, f"{number:,}")
        console.print()
        console.print(table if numbers else f"[dim]{title}: nobody answers[/]")
    console.print(f"\ndead letters: {found.dead_letters:,}" if found.rows else "\n[dim]dead letters: nobody answers[/]")
