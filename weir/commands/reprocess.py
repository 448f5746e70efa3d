"""`weir reprocess`: the raw log through today's code once more."""

import time
from datetime import UTC, datetime

import click

from weir.commands.entry import run
from weir.errors import WeirError
from weir.settings import load

_OVER_SECONDS = 40 * 60
"""Sessions of so long ago are over."""


@click.group(invoke_without_command=True)
@click.option("--from", "since", help="Beginning, UTC, by when events came: 2026-03-01, or 2026-03-01T10:00.")
@click.option("--to", "until", help="End, not included; by default 40 minutes ago, when sessions are over.")
@click.option("--apply", "apply_now", is_flag=True, help="Put the new rows in place at once.")
@click.pass_context
def reprocess(context: click.Context, *, since: str | None, until: str | None, apply_now: bool) -> None:
    """Process the raw log (or its archive) with today's code and data, and show what would change.

    Events, sessions, dead letters and the ledger; profiles, groups, identities and recordings stay as they are.
    Ingestion goes on meanwhile.
    """
    if context.invoked_subcommand is not None:
        return
    if since is None:
        raise click.UsageError("Say from when: --from 2026-03-01.")
    from sinks.shadow.compare import render
    from weir.reprocess import Period, apply_run
    from weir.reprocess import run as run_period

    settings = load()
    period = Period(_stamp(since), _stamp(until) if until else int((time.time() - _OVER_SECONDS) * 1000))
    if period.since >= period.until:
        raise WeirError("The time ends before it begins: --from is the earlier one.")
    differences = run_period(settings, period, _tell)
    click.echo(render(differences))
    if not any(each.any for each in differences):
        click.echo("Nothing differs.")
    elif not apply_now:
        click.echo("Nothing has changed yet: weir reprocess apply puts the new rows in place.")
    if apply_now:
        apply_run(settings, _tell)
        click.echo("The new rows are in place.")


@reprocess.command("apply")
def apply_() -> None:
    """Put the rows that were shown in place, month by month; completes what broke off."""
    from weir.reprocess import apply_run

    plan = apply_run(load(), _tell)
    click.echo(f"The new rows of {plan.since} to {plan.until} are in place.")


@reprocess.command()
def show() -> None:
    """Show again what would change."""
    from sinks.shadow.compare import render
    from weir.reprocess import show as show_run

    plan, differences = show_run(load())
    click.echo(f"{plan.since} to {plan.until}, {plan.stage.value}")
    click.echo(render(differences))


@reprocess.command()
def discard() -> None:
    """Forget the new rows."""
    from weir.reprocess import discard as discard_run

    if discard_run(load()):
        click.echo("Forgotten: the new rows are not put in place.")
    else:
        click.echo("There is nothing to forget: no run waits. What was applied stays.")


def _stamp(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise WeirError(f"{text} is no time: say, for example, 2026-03-01 or 2026-03-01T10:00.") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _tell(doing: str) -> None:
    click.echo(f"{doing} …", err=True)


if __name__ == "__main__":
    run(reprocess)
