"""`weir up`: start the local stack."""

import signal
import sys
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.markup import escape

from weir.local import geo
from weir.local.demo_project import read_demo_project
from weir.local.state import StackState
from weir.logs import show_logs
from weir.screen import StepView, show_card
from weir.settings import Settings, differences, in_force, load
from weir.stack import running_state, spawn_supervisor, stop_stack, wait_until_ready


@click.command()
@click.option("--detach", is_flag=True, help="Come back when it is up; `weir down` stops it.")
def up(*, detach: bool) -> None:
    """Start broker, store, gateway, worker and query API, and keep them up."""
    settings, console = load(), Console()
    home = settings.home.resolve()
    running = running_state(home)
    if running is not None and running.phase == "ready":
        console.print("Weir is already up.")
        _show(console, settings, running)
        _tell_differences(settings, running)
        sys.exit(_tell_problems(running))
    # SIGTERM and a closed terminal mean what Ctrl-C means.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        spawned = spawn_supervisor(settings) if running is None else None
        with StepView(console) as view:
            ready = wait_until_ready(home, spawned, view.show)
        _show(console, settings, ready)
        troubled = _tell_problems(ready)
        if not detach:
            _stay(console, home)
        sys.exit(troubled)
    except KeyboardInterrupt:
        _take_down(console, settings)


def _show(console: Console, settings: Settings, state: StackState) -> None:
    show_card(console, _as_running(settings, state), read_demo_project(settings.home))
    for warning in state.warnings:
        console.print(f"[yellow]{escape(warning)}[/]", soft_wrap=True, highlight=False)
    if settings.geo_download and not settings.geo.exists():
        console.print(
            f"Countries and cities of events stay empty until the city database ({geo.SIZE}) is there, which the first "
            "start fetches in the background. [dim]weir doctor says how far it is.[/]\n",
            soft_wrap=True,
            highlight=False,
        )


def _tell_differences(settings: Settings, state: StackState) -> None:
    """Say which settings the stack that is up does not run with: a start that finds it up changes nothing."""
    changed = list(differences(state.settings, in_force(settings))) if state.settings else []
    if changed:
        click.echo("Not in force, because the stack was started with other settings:", err=True)
        for line in changed:
            click.echo(f"  {line}", err=True)
        click.echo("To start it with these: weir down, then weir up (nothing is lost).", err=True)


def _tell_problems(state: StackState) -> int:
    """Say what of a stack that is up is not at work; the exit status that goes with it."""
    problems = state.problems()
    for problem in problems:
        click.echo(problem, err=True)
    return 1 if problems else 0


def _as_running(settings: Settings, state: StackState) -> Settings:
    """The settings with the ports the running services have: they may have been started with others."""
    ports = {"gateway": "gateway_port", "query_api": "query_api_port", "store": "store_port", "broker": "broker_port"}
    found = {
        field: int(address.rpartition(":")[2])
        for service, field in ports.items()
        if service in state.services and (address := state.services[service].address)
    }
    return settings.model_copy(update=found)


def _stay(console: Console, home: Path) -> None:
    console.print("[dim]Ctrl-C stops everything in order.[/]\n")
    show_logs(console, home / "logs", follow=True, last_bytes=0, until=lambda: running_state(home) is None)


def _take_down(console: Console, settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    console.print("\nStopping …")
    with StepView(console, only="stop ") as view:
        stop_stack(settings.home.resolve(), view.show)
    console.print("Weir is down; everything it has taken is kept.")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
