"""`weir rule`: what a project wants to be told of."""

import json
import time
from contextlib import suppress
from itertools import islice
from typing import Any

import click

from control.projects import get_project
from control.rules import add_rule, get_rule, list_rules, remove_rule, switch_rule
from schemas.notification import Notification
from schemas.rules import MAX_COOLDOWN_MINUTES, MAX_WINDOW_MINUTES, OncePer
from weir.control_data import changing, reading
from weir.errors import WeirError
from weir.notifications import watch as watch_notifications
from weir.rule_steps import parse_step, rule_text
from weir.rule_trial import MAX_EVENTS, Trial, try_rule
from weir.screen import counted
from weir.settings import load

_PROJECT = click.argument("project_id")
_RULE = click.argument("rule_id")
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")
_DAY_SECONDS = 86_400
_SHOWN = 10


@click.group("rule")
def rule() -> None:
    """Events, or events one after the other, that a project wants to be told of: each match is a message in
    weir.notifications. Every change is in force within two seconds.
    """


@rule.command()
@_PROJECT
@_RULE
@click.option(
    "--step",
    "steps",
    multiple=True,
    help="EVENT [or EVENT …] [where NAME OPERATOR VALUE … [and …]]; * for any event. Several steps are a funnel.",
)
@click.option(
    "--file",
    "source",
    type=click.File("rb"),
    help="The rule as JSON (- for standard input), in place of all other options.",
)
@click.option("--name", help="Name shown to people; by default the id.")
@click.option(
    "--window",
    "window_minutes",
    type=click.IntRange(0, MAX_WINDOW_MINUTES),
    default=0,
    show_default=True,
    help="Minutes from the first step of a funnel to the last; 0: within one session.",
)
@click.option("--once-per", type=click.Choice([each.value for each in OncePer]), default="every", show_default=True)
@click.option(
    "--cooldown",
    "cooldown_minutes",
    type=click.IntRange(0, MAX_COOLDOWN_MINUTES),
    default=0,
    show_default=True,
    help="Minutes of silence about a device after it was told of.",
)
@click.option("--disabled", is_flag=True, help="Keep it, but switched off.")
def add(project_id: str, rule_id: str, steps: tuple[str, ...], source: Any, *, disabled: bool, **more: Any) -> None:
    """Add a rule."""
    if source is not None:
        said = _read(source.read())
    elif steps:
        said = {**more, "name": more["name"] or rule_id, "enabled": not disabled}
        said["steps"] = [parse_step(text) for text in steps]
    else:
        raise WeirError("A rule needs a step: --step 'sign_up where country is CH', for example.")
    with changing(load()) as session:
        added = add_rule(session, project_id, rule_id, said)
    click.echo(rule_text(added))


def _read(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise WeirError(f"The rule is not JSON: {error}.") from error
    if not isinstance(said, dict):
        raise WeirError("The rule is no JSON object.")
    return said


@rule.command("list")
@_PROJECT
@_JSON
def list_(project_id: str, *, as_json: bool) -> None:
    """The rules of a project."""
    with reading(load()) as session:
        found = list_rules(session, project_id)
    if as_json:
        click.echo(json.dumps([each.model_dump(mode="json") for each in found], indent=1))
        return
    if not found:
        click.echo(f"{project_id} has no rules. Add one: weir rule add {project_id} signed-up --step sign_up")
    for each in found:
        click.echo(f"{each.id}  {each.name}{'' if each.enabled else ' (off)'}")


@rule.command()
@_PROJECT
@_RULE
@_JSON
def show(project_id: str, rule_id: str, *, as_json: bool) -> None:
    """All that a rule says."""
    with reading(load()) as session:
        found = get_rule(session, project_id, rule_id)
    click.echo(json.dumps(found.model_dump(mode="json"), indent=1) if as_json else rule_text(found))


@rule.command()
@_PROJECT
@_RULE
def enable(project_id: str, rule_id: str) -> None:
    """Switch a rule on."""
    _switch(project_id, rule_id, enabled=True)


@rule.command()
@_PROJECT
@_RULE
def disable(project_id: str, rule_id: str) -> None:
    """Switch a rule off; funnels under way are forgotten."""
    _switch(project_id, rule_id, enabled=False)


def _switch(project_id: str, rule_id: str, *, enabled: bool) -> None:
    with changing(load()) as session:
        found = switch_rule(session, project_id, rule_id, enabled=enabled)
    click.echo(f"{project_id}: the rule {found.id} is {'on' if enabled else 'off'}.")


@rule.command()
@_PROJECT
@_RULE
def remove(project_id: str, rule_id: str) -> None:
    """Remove a rule, and what it remembers."""
    with changing(load()) as session:
        remove_rule(session, project_id, rule_id)
    click.echo(f"{project_id}: there is no rule {rule_id} any more.")


@rule.command()
@_PROJECT
@_RULE
@click.option("--days", type=click.FloatRange(0, 400, min_open=True), default=7.0, show_default=True)
@_JSON
def test(project_id: str, rule_id: str, *, days: float, as_json: bool) -> None:
    """What the rule would have told of the events of the last days. Nothing is sent."""
    settings = load()
    with reading(settings) as session:
        record = get_rule(session, project_id, rule_id)
    end = time.time() + 60
    trial = try_rule(settings, record, end - days * _DAY_SECONDS, end)
    if as_json:
        click.echo(json.dumps({"matches": len(trial.told), "events": trial.looked_at, "told": trial.told[-_SHOWN:]}))
        return
    click.echo(_said(trial, days))


@rule.command()
@click.argument("project_id", required=False)
@click.option("--since-minutes", type=click.FloatRange(0), default=0.0, help="Begin with those of the last minutes.")
@click.option("--count", type=click.IntRange(1), help="Stop after so many.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON each, with all that is told.")
def watch(project_id: str | None, *, since_minutes: float, count: int | None, as_json: bool) -> None:
    """Show notifications of a project, or of all, as they come, until Ctrl-C. Others read the topic weir.notifications
    just so.
    """
    settings = load()
    if project_id is not None:
        with reading(settings) as session:
            get_project(session, project_id)
    told = watch_notifications(settings.bootstrap, project_id or "", since_seconds=since_minutes * 60)
    click.echo("Waiting for notifications; Ctrl-C ends it.", err=True)
    with suppress(KeyboardInterrupt):
        for each in islice((each for each in told if each is not None), count):
            click.echo(each.model_dump_json() if as_json else _line(each, named=project_id is None))


def _line(told: Notification, *, named: bool) -> str:
    who, where = told.profile_id or told.device_id, told.path or "(no page)"
    project = f"{told.project_id}  " if named else ""
    rule = told.rule_id if told.rule_name == told.rule_id else f"{told.rule_id} ({told.rule_name})"
    return f"{told.created_at}  {project}{rule}: {told.name}  {where}  {who}"


def _said(trial: Trial, days: float) -> str:
    over = "" if trial.is_whole else f" (the first {MAX_EVENTS}; try fewer days)"
    matches, among = counted(len(trial.told), "match", "matches"), counted(trial.looked_at, "event", "events")
    lines = [f"{matches} among {among}{over} of the last {days:g} days."]
    lines += [
        f"{row['created_at']}  {row['name']}  {row['path']}  {row['profile_id'] or row['device_id']}"
        for row in trial.told[-_SHOWN:]
    ]
    return "\n".join(lines)
