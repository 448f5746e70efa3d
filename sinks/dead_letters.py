"""Dead letters looked at, and decided upon: sent again, or dropped.

A letter stays in ``dead_letters`` whatever is decided, because the audit counts it; decisions are rows of
``dead_letter_outcomes``. A letter is named by where its content came from,
``<topic>@<epoch>/<partition>/<offset>/<line>``, the line −1 for a whole message.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.errors import SinkError

REPLAYED = "replayed"
DROPPED = "dropped"
OPEN = "open"
"""A decision taken back."""
_NAME = re.compile(r"(?P<topic>[a-z0-9.-]+)@(?P<epoch>\d+)/(?P<partition>\d+)/(?P<offset>\d+)/(?P<line>-1|\d+)")
_OPEN = """
(topic, epoch, partition, offset, line) not in
(select topic, epoch, partition, offset, line from dead_letter_outcomes final where outcome != 'open')
"""
_COLUMNS = "topic, epoch, partition, offset, line, stamp, stage, reason, detail, project_id, value"


class DeadLettersError(SinkError):
    """What was asked of dead letters is not possible; the message says why."""


class LetterName(NamedTuple):
    """Where a letter's content came from, which names it."""

    topic: str
    epoch: int
    partition: int
    offset: int
    line: int

    def __str__(self) -> str:
        return f"{self.topic}@{self.epoch}/{self.partition}/{self.offset}/{self.line}"

    @classmethod
    def read(cls, text: str) -> "LetterName":
        """The inverse of ``str``.

        :raises DeadLettersError: it is no name of a letter.
        """
        parts = _NAME.fullmatch(text)
        if parts is None:
            raise DeadLettersError(
                f"{text} is no dead letter's name: they read like weir.raw@1700000000/3/120/0 (see dead-letters list)."
            )
        return cls(parts["topic"], *(int(parts[name]) for name in ("epoch", "partition", "offset", "line")))


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as stored. ``stamp`` is the broker's, of the message it came from; ``value`` the original bytes."""

    name: LetterName
    stamp: datetime
    stage: str
    reason: str
    detail: str
    project_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; empty texts and None mean any. ``decided``: also those that were decided upon."""

    project_id: str = ""
    reason: str = ""
    since: datetime | None = None
    names: Sequence[LetterName] = ()
    decided: bool = False

    def condition(self) -> tuple[str, dict[str, Any]]:
        """SQL and its parameters."""
        parts, values = ["1"] if self.decided else [_OPEN], dict[str, Any]()
        for name, value in (("project_id", self.project_id), ("reason", self.reason)):
            if value:
                parts.append(f"{name} = {{{name}:String}}")
                values[name] = value
        if self.since is not None:
            parts.append("stamp >= {since:DateTime64(3)}")
            values["since"] = self.since
        if self.names:
            parts.append(
                f"({', '.join(LetterName._fields)}) in {{names:Array(Tuple(String, UInt32, UInt16, UInt64, Int32))}}"
            )
            values["names"] = [tuple(name) for name in self.names]
        return " and ".join(parts), values


class Summary(NamedTuple):
    """How many letters of a project have one reason, and the newest stamp among them."""

    project_id: str
    reason: str
    letters: int
    newest: datetime


def summarize(client: Client, selection: Selection) -> list[Summary]:
    """How many letters there are, by project and reason, most first."""
    condition, values = selection.condition()
    rows = client.query(
        f"""
        select project_id, reason, count() as letters, max(stamp)
        from dead_letters where {condition} group by project_id, reason order by letters desc, project_id, reason
        """,
        values,
    ).result_rows
    return [Summary(*row) for row in rows]


def count_open(client: Client) -> int:
    """How many letters nothing was decided about."""
    return int(client.query(f"select count() from dead_letters where {_OPEN}").result_rows[0][0])


def read_letters(client: Client, selection: Selection, limit: int) -> Iterator[Letter]:
    """The letters, newest first, at most so many."""
    condition, values = selection.condition()
    # Values are bytes and may be no text: they travel as hexadecimal digits.
    columns = _COLUMNS.replace("value", "hex(value)")
    sql = f"""
        select {columns} from dead_letters where {condition}
        order by stamp desc, topic, epoch, partition, offset, line limit {{limit:UInt64}}
    """
    with client.query_rows_stream(sql, {**values, "limit": limit}) as rows:
        for topic, epoch, partition, offset, line, stamp, stage, reason, detail, project_id, value in rows:
            name = LetterName(topic, epoch, partition, offset, line)
            yield Letter(name, stamp, stage, reason, detail, project_id, bytes.fromhex(value))


def outcomes(client: Client, names: Sequence[LetterName]) -> Mapping[LetterName, str]:
    """What was decided about those of the letters that something was decided about."""
    rows = client.query(
        f"""
        select {", ".join(LetterName._fields)}, outcome from dead_letter_outcomes final
        where ({", ".join(LetterName._fields)}) in {{names:Array(Tuple(String, UInt32, UInt16, UInt64, Int32))}}
        """,
        {"names": [tuple(name) for name in names]},
    ).result_rows
    return {LetterName(*row[:-1]): str(row[-1]) for row in rows}


def decide(client: Client, decisions: Mapping[LetterName, int], outcome: str) -> None:
    """Write what was decided about each letter, and how many of its lines are still dead. Safe to repeat."""
    if decisions:
        client.insert(
            "dead_letter_outcomes",
            [[*name, outcome, lines_left] for name, lines_left in decisions.items()],
            column_names=[*LetterName._fields, "outcome", "lines_left"],
        )
