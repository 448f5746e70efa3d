"""`weir dead-letters`: look at what could not be processed, send it again, or drop it."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from clickhouse_connect.driver.client import Client

from control.projects import get_project
from sinks.dead_letter_replay import replay as replay_letters
from sinks.dead_letters import (
    DROPPED,
    DeadLettersError,
    Letter,
    LetterName,
    Selection,
    decide,
    outcomes,
    read_letters,
    summarize,
)
from weir.clickhouse import clickhouse
from weir.control_data import reading
from weir.errors import WeirError
from weir.prepare import sink_settings
from weir.screen import counted, printable
from weir.settings import load

_ALL = 2**63 - 1
_PREVIEW = 60
_Command = Callable[..., None]


@click.group("dead-letters")
def dead_letters() -> None:
    """Events that could not be processed, each kept with its reason and where it was."""


def _selecting(command: _Command) -> _Command:
    """The options that say which letters are meant."""
    for option in (
        click.option("--since-hours", type=click.FloatRange(min=0), help="Not older than so many hours."),
        click.option("--reason", default="", help="With this reason."),
        click.option("--project", "project_id", default="", help="Of this project."),
    ):
        command = option(command)
    return command


@dead_letters.command("list")
@_selecting
@click.option("--decided", is_flag=True, help="Those that were sent again or dropped too.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(*, project_id: str, reason: str, since_hours: float | None, decided: bool, limit: int, as_json: bool) -> None:
    """How many there are by reason, and the newest."""
    selection = _selection(project_id, reason, since_hours, decided=decided)
    with clickhouse(load()) as client:
        summaries = summarize(client, selection)
        if not summaries:
            _check_there_were(client, selection)
        letters = list(read_letters(client, selection, limit))
    if as_json:
        click.echo(json.dumps({"summary": [_plain(each._asdict()) for each in summaries], "letters": _told(letters)}))
        return
    if not summaries:
        click.echo("No dead letters.")
        return
    for each in summaries:
        project = printable(each.project_id) or "(no project)"
        click.echo(f"{each.letters:>9,}  {each.reason}  {project}  newest {each.newest:%F %T}")
    click.echo()
    for letter in letters:
        text = letter.value.decode("utf-8", "replace")
        preview = printable(text[:_PREVIEW]) + ("…" if len(text) > _PREVIEW else "") or "(an empty message)"
        click.echo(f"{letter.name}  {letter.stamp:%F %T}  {letter.reason}  {preview}")


@dead_letters.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(name: str, *, as_json: bool) -> None:
    """All of one letter: why it died, and its original bytes; on a terminal what would steer it is escaped."""
    wanted = _names([name])
    with clickhouse(load()) as client:
        letters = list(read_letters(client, Selection(names=wanted, decided=True), 1))
        decided = outcomes(client, wanted)
    if not letters:
        raise WeirError(f"There is no dead letter {name}.")
    if as_json:
        click.echo(json.dumps(_told(letters)[0] | {"outcome": decided.get(wanted[0], "")}))
        return
    letter = letters[0]
    for label, text in (
        ("reason", f"{letter.reason}: {letter.detail}"),
        ("project", letter.project_id or "(not known)"),
        ("came", f"{letter.stamp:%F %T.%f} UTC"),
        ("stage", letter.stage),
        ("outcome", decided.get(letter.name, "open")),
    ):
        click.echo(f"{label:<8} {printable(text)}")
    click.echo()
    if sys.stdout.isatty():
        # Whoever sends letters must not steer the terminal of who looks at them.
        click.echo("\n".join(map(printable, letter.value.decode("utf-8", "replace").split("\n"))))
    else:
        click.echo(letter.value)


@dead_letters.command()
@click.argument("names", nargs=-1)
@_selecting
@click.option("--all", "every", is_flag=True, help="All that were not decided upon, if nothing else is said.")
def replay(names: Sequence[str], *, project_id: str, reason: str, since_hours: float | None, every: bool) -> None:
    """Send letters again: those named, or those selected. What was sent before and counted is not counted twice."""
    selection = _chosen(names, project_id, reason, since_hours, every=every)
    settings = sink_settings(load())

    def tell(count: int) -> None:
        click.echo(f"{count:,} sent again …", err=True)

    with clickhouse(load()) as client:
        _check_there_were(client, selection)
        done = replay_letters(client, settings.kafka_bootstrap, read_letters(client, selection, _ALL), tell)
    sent = counted(done.replayed, "letter was", "letters were")
    click.echo(f"{sent} sent again. What dies once more becomes a new letter.")
    if done.lines_left:
        left = counted(done.lines_left, "line of theirs stays where it is", "lines of theirs stay where they are")
        click.echo(f"{left}: the store cannot read them.")
    for name, why in done.refused.items():
        click.echo(f"{name} was not sent: {why}")
    if done.refused and not done.replayed:
        raise WeirError("Nothing was sent.")


@dead_letters.command()
@click.argument("names", nargs=-1)
@_selecting
@click.option("--all", "every", is_flag=True, help="All that were not decided upon, if nothing else is said.")
@click.option("--yes", is_flag=True, help="Without asking.")
def drop(
    names: Sequence[str], *, project_id: str, reason: str, since_hours: float | None, every: bool, yes: bool
) -> None:
    """Take letters off the list. They stay stored, so that the audit adds up, until their topic's retention."""
    selection = _chosen(names, project_id, reason, since_hours, every=every)
    with clickhouse(load()) as client:
        _check_there_were(client, selection)
        found = sum(each.letters for each in summarize(client, selection))
        if found and not yes:
            click.confirm(f"Drop {counted(found, 'dead letter', 'dead letters')}?", abort=True)
        decide(client, {letter.name: 0 for letter in read_letters(client, selection, _ALL)}, DROPPED)
    click.echo(f"{counted(found, 'dead letter is', 'dead letters are')} off the list.")


def _selection(project_id: str, reason: str, since_hours: float | None, *, decided: bool = False) -> Selection:
    since = datetime.now(UTC) - timedelta(hours=since_hours) if since_hours is not None else None
    return Selection(project_id, reason, since, decided=decided)


def _chosen(names: Sequence[str], project_id: str, reason: str, since_hours: float | None, *, every: bool) -> Selection:
    if names:
        return Selection(names=_names(names))
    if not (project_id or reason or since_hours is not None or every):
        raise WeirError("Say which: by their names, with --project, --reason or --since-hours, or --all.")
    return _selection(project_id, reason, since_hours)


def _check_there_were(client: Client, selection: Selection) -> None:
    """Refuse a project, a reason or a name that no letter has, decided upon or not: most likely it is misspelled."""
    if selection.names:
        there = {letter.name for letter in read_letters(client, replace(selection, decided=True), _ALL)}
        if missing := [name for name in selection.names if name not in there]:
            raise WeirError(f"There is no dead letter {missing[0]}: nothing was done.")
    known = summarize(client, Selection(decided=True))
    if selection.project_id and selection.project_id not in {each.project_id for each in known}:
        with reading(load()) as session:
            get_project(session, selection.project_id)
    reasons = sorted({each.reason for each in known})
    if selection.reason and selection.reason not in reasons:
        there_are = f"there are letters with: {', '.join(reasons)}" if reasons else "there are no dead letters at all"
        raise WeirError(f"No dead letter has the reason {selection.reason}; {there_are}.")


def _names(texts: Sequence[str]) -> list[LetterName]:
    try:
        return [LetterName.read(text) for text in texts]
    except DeadLettersError as error:
        raise WeirError(str(error)) from error


def _told(letters: Sequence[Letter]) -> list[dict[str, Any]]:
    return [
        {
            "name": str(letter.name),
            "came": letter.stamp.isoformat(),
            "stage": letter.stage,
            "reason": letter.reason,
            "detail": letter.detail,
            "project_id": letter.project_id,
            "value": letter.value.decode("utf-8", "replace"),
        }
        for letter in letters
    ]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
