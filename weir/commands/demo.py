"""`weir demo`: believable traffic through the gateway."""

import secrets
import socket
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from weir.demo import DemoSettings, Phase, run
from weir.demo.durations import parse_duration
from weir.demo.sending import Tally
from weir.errors import WeirError
from weir.local.demo_project import read_demo_project
from weir.settings import load

_LONGEST_HISTORY_S = 395 * 86_400


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
    _show(plan)


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
    """Run it behind a progress bar, and say what was done."""
    console = Console()
    words = TextColumn("{task.description:>12}")
    counts = TextColumn("{task.fields[events]:,} events, {task.fields[visitors]:,} visitors")
    with Progress(words, BarColumn(40), counts, TimeElapsedColumn(), console=console) as progress:
        tasks = {}
        for phase, wanted, text in (
            (Phase.HISTORY, plan.history_s, "the past"),
            (Phase.LIVE, plan.duration_s, "the present"),
        ):
            if wanted > 0:
                tasks[phase] = progress.add_task(text, total=1.0, start=False, events=0, visitors=0)

        def watch(phase: Phase, done: float, tally: Tally) -> None:
            task = tasks[phase]
            if not progress.tasks[task].started:
                progress.start_task(task)
            progress.update(task, completed=done, events=tally.accepted, visitors=len(tally.visitors))

        report = run(plan, watch)
    console.print(
        f"{report.accepted:,} requests answered, {report.visitors:,} visitors, {report.retried:,} sent again; "
        f"seed {plan.seed}.",
        highlight=False,
    )
