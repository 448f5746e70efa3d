"""What the command shows: steps as they are done, and the card at the end of a start."""

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from weir.local.demo_project import DemoProject
from weir.local.state import StackState, Step
from weir.settings import Settings


def counted(number: int, one: str, several: str) -> str:
    """A number with its words."""
    return f"{number:,} {one if number == 1 else several}"


def printable(text: str) -> str:
    """What others have sent, in one line for a terminal: characters by which it would be steered, or that show nothing,
    are written as escapes.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class StepView:
    """Shows the steps of a start or a stop while they happen; plain lines where there is no terminal.

    ``only`` is what the names of the steps to be shown begin with.
    """

    def __init__(self, console: Console, *, only: str = "") -> None:
        self._console = console
        self._only = only
        self._live = Live(console=console, refresh_per_second=12, transient=True)
        self._printed = 0
        self._begun = 0

    def __enter__(self) -> "StepView":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live.is_started:
            self._live.stop()

    def show(self, state: StackState) -> None:
        """Show a newer state; finished steps become lines that stay."""
        steps = [step for step in state.steps if step.name.startswith(self._only)]
        if not self._console.is_terminal:
            # Nothing turns there: without a word at its beginning, a long step looks like a program that hangs.
            for step in steps[max(self._begun, self._printed) :]:
                if step.seconds is None:
                    self._console.print(f"  {step.text} …", highlight=False)
            self._begun = len(steps)
        while self._printed < len(steps) and steps[self._printed].seconds is not None:
            step = steps[self._printed]
            self._console.print(f"[green]✓[/] {step.text} [dim]{step.seconds:.1f} s[/]", highlight=False)
            self._printed += 1
        if self._live.is_started:
            self._live.update(_doing(steps[self._printed :]))


def _doing(steps: list[Step]) -> Table:
    table = Table.grid(padding=(0, 1))
    for step in steps:
        if step.seconds is None:
            table.add_row(Spinner("dots", style="cyan"), step.text)
    return table


def show_card(console: Console, settings: Settings, demo: DemoProject | None) -> None:
    """Addresses, the demo project's clients, and what to paste. Secrets are shown: it is the owner's terminal."""
    console.print()
    rows: list[tuple[str, ...]] = [
        ("Page and query API", settings.query_api_url, "API docs at /docs"),
        ("Gateway", settings.gateway_url, "POST /track"),
        ("ClickHouse", settings.store_url),
        ("Kafka", settings.bootstrap),
    ]
    if demo is not None:
        rows += [
            ("Demo project", demo.project_id),
            ("  write client", demo.write.client_id, demo.write.client_secret),
            ("  read client", demo.read.client_id, demo.read.client_secret),
        ]
    for name, *values in rows:
        # Not a table: that would shorten what is there to be copied.
        console.print(f"[bold]{name:<20}[/]{'  '.join(values)}", soft_wrap=True, highlight=False)
    if demo is not None:
        console.print("\n[bold]In a page[/]")
        console.print(escape(script_tag(settings, demo)), soft_wrap=True, highlight=False)
        console.print("\n[bold]In a shell[/]")
        console.print(escape(curl_line(settings, demo)), soft_wrap=True, highlight=False)
    console.print()


def script_tag(settings: Settings, demo: DemoProject) -> str:
    """The tracker's tag, to be pasted into any page served on this machine."""
    return (
        f'<script src="{settings.gateway_url}/op1.js" data-client-id="{demo.write.client_id}" '
        "data-track-screen-views data-track-outgoing-links data-track-attributes defer></script>"
    )


def curl_line(settings: Settings, demo: DemoProject) -> str:
    """A line that can be pasted into a shell and stores one event."""
    return (
        f"curl -s {settings.gateway_url}/track -H 'content-type: application/json' "
        f"-H 'openpanel-client-id: {demo.write.client_id}' -H 'openpanel-client-secret: {demo.write.client_secret}' "
        """-d '{"type":"track","payload":{"name":"hello","properties":{"from":"curl"}}}'"""
    )
