"""`weir demo`: believable traffic through the gateway."""

import secrets
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from weir.demo import DemoReport, DemoSettings, Phase, run
from weir.demo.durations import parse_duration
from weir.demo.sending import Tally
from weir.errors import WeirError
from weir.local import geo
from weir.local.demo_project import read_demo_project
from weir.settings import Settings, load
from weir.stack import running_state

_LONGEST_HISTORY_S = 395 * 86_400
_PLACES_SECONDS = 600.0
_SEEN_SECONDS = 6.0
"""After so long the workers have seen that it came."""
_LINE_SECONDS = 10.0
"""Between two lines that say how far it is, where there is no terminal to show a bar."""


class Duration(click.ParamType):
    """``90s``, ``15m``, ``12h``, ``30d``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option(
    "--rate", type=click.FloatRange(0.1, 20_000), default=10.0, show_default=True, help="Live events a second."
)
@click.option("--duration", type=Duration(), default="60s", show_default=True, help="Of the live part; 0 for none.")
@click.option("--history", type=Duration(), default="0", show_default=True, help="Fill the past first, such as 30d.")
@click.option("--visits", type=click.FloatRange(1), default=350, show_default=True, help="Visits a day of the past.")
@click.option("--seed", type=click.IntRange(0), help="The same seed gives the same people; by default a new one.")
@click.option("--connections", type=click.IntRange(1, 1_000), default=64, show_default=True, help="To the gateway.")
@click.option("--url", help="Gateway; by default the local one.")
@click.option("--client-id", help="Write client; by default the demo project's.")
@click.option("--client-secret", help="Its secret.")
@click.option(
    "--wait-for-places/--without-places",
    default=True,
    show_default=True,
    help="While the first start still fetches the city database: wait for it, or let visitors come from nowhere.",
)
def demo(
    *,
    rate: float,
    duration: float,
    history: float,
    visits: float,
    seed: int | None,
    connections: int,
    url: str | None,
    client_id: str | None,
    client_secret: str | None,
    wait_for_places: bool,
) -> None:
    """Send the traffic of a shop: visitors of many countries, devices and sources who browse, sign up and buy."""
    if history > _LONGEST_HISTORY_S:
        raise WeirError("Events older than 400 days are not kept: ask for a shorter --history.")
    settings = load()
    client_id, client_secret = _client(client_id, client_secret)
    plan = DemoSettings(
        url or settings.gateway_url,
        client_id,
        client_secret,
        seed=secrets.randbelow(2**32) if seed is None else seed,
        rate=rate,
        duration_s=duration,
        history_s=history,
        visits_per_day=visits,
        connections=connections,
    )
    if not _answers(plan.url):
        raise WeirError(f"Nothing answers at {plan.url}: start the stack first with `make up`.")
    if url is None:
        await_places(settings, wait=wait_for_places)
    _show(plan)


def await_places(settings: Settings, *, wait: bool, seen_seconds: float = _SEEN_SECONDS) -> None:
    """Say that places are still to come; with ``wait``, come back when they are there and were seen by the workers, or
    are no longer coming.
    """
    home = settings.home.resolve()
    if running_state(home) is None or not geo.is_coming(settings.geo):
        return
    if not wait:
        click.echo(f"The city database ({geo.SIZE}) is still on its way: these visitors have no places.", err=True)
        return
    click.echo(
        f"Waiting for the city database ({geo.SIZE}, fetched once), so that visitors have places; "
        "--without-places does not.",
        err=True,
    )
    until = time.monotonic() + _PLACES_SECONDS
    while geo.is_coming(settings.geo) and running_state(home) is not None and time.monotonic() < until:
        time.sleep(0.5)
    if settings.geo.exists():
        time.sleep(seen_seconds)
    else:
        click.echo("It did not come (weir logs supervisor says why): these visitors have no places.", err=True)


def _answers(url: str) -> bool:
    """Whether somebody listens there; else the demo would wait two minutes for a gateway that was never started."""
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname or "", address.port or 80), timeout=5):
            return True
    except OSError:
        return False


def _client(client_id: str | None, client_secret: str | None) -> tuple[str, str]:
    if client_id and client_secret:
        return client_id, client_secret
    if client_id or client_secret:
        raise WeirError("A client needs both --client-id and --client-secret.")
    known = read_demo_project(load().home)
    if known is None:
        raise WeirError("There is no demo project yet: start the stack first with `make up`.")
    return known.write.client_id, known.write.client_secret


def _show(plan: DemoSettings) -> None:
    """Run it, say how far it is, and what was done."""
    console = Console()
    report = _with_bar(plan, console) if console.is_terminal else run(plan, _lines())
    console.print(
        f"{report.accepted:,} requests answered, {report.visitors:,} visitors, {report.retried:,} sent again; "
        f"seed {plan.seed}.",
        highlight=False,
        soft_wrap=True,
    )


_NAMES = {Phase.HISTORY: "the past", Phase.LIVE: "the present"}


def _lines() -> Callable[[Phase, float, Tally], None]:
    """A line every few seconds."""
    told = time.monotonic() - _LINE_SECONDS

    def watch(phase: Phase, done: float, tally: Tally) -> None:
        nonlocal told
        if time.monotonic() - told >= _LINE_SECONDS:
            told = time.monotonic()
            people = len(tally.visitors)
            click.echo(f"{_NAMES[phase]}: {done:.0%}, {tally.accepted:,} events, {people:,} visitors", err=True)

    return watch


def _with_bar(plan: DemoSettings, console: Console) -> DemoReport:
    words = TextColumn("{task.description:>12}")
    counts = TextColumn("{task.fields[events]:,} events, {task.fields[visitors]:,} visitors")
    with Progress(words, BarColumn(40), counts, TimeElapsedColumn(), console=console) as progress:
        tasks = {}
        for phase, wanted in ((Phase.HISTORY, plan.history_s), (Phase.LIVE, plan.duration_s)):
            if wanted > 0:
                tasks[phase] = progress.add_task(_NAMES[phase], total=1.0, start=False, events=0, visitors=0)

        def watch(phase: Phase, done: float, tally: Tally) -> None:
            task = tasks[phase]
            if not progress.tasks[task].started:
                progress.start_task(task)
            progress.update(task, completed=done, events=tally.accepted, visitors=len(tally.visitors))

        return run(plan, watch)
