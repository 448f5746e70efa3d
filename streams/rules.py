"""Rules on the stream: which events, or events one after the other, a project wants to be told of.

Pure, and a function of the log and of the rules in force: what a device did so far is state (``rules/<project>/
<device>``), committed with the rows it led to. A project without rules costs one look into a dict for each event.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from schemas.control import RuleRecord
from schemas.event_id import derived_event_id
from schemas.event_time import parse_iso_ms
from schemas.matching import compile_conditions
from schemas.notification import MAX_EXCERPT_ITEMS, MAX_EXCERPT_PROPERTIES, MAX_EXCERPT_TEXT
from schemas.rules import MAX_RULES, OncePer, RuleStep
from streams import metrics
from streams.columns import Columns, Row

STATE_PREFIX = b"rules/"
MAX_REMEMBERED = 32
"""Rules of which a device's state is kept; of more, those it touched last."""
MAX_SESSIONS = 2
"""Sessions in which a funnel may be under way at once: a late event may join the one before."""
MAX_NOTIFICATIONS_PER_MESSAGE = 5_000
"""Of one raw message; what a rule matches beyond is counted and not told: a transaction must stay bounded."""
_MINUTE_MS = 60_000
_COPIED = ("project_id", "event_id", "name", "device_id", "session_id", "profile_id", "created_at", "path", "origin")
_COPIED_TOO = ("country", "city", "referrer_name", "revenue", "currency")
_COORDINATES = ("raw_epoch", "raw_partition", "raw_offset", "raw_line")

EventRow = Mapping[str, Any]
"""A row of ``weir.events``; see ``schemas.event.Event``."""
Memory = dict[str, list[Any]]
"""What a device's state says, by rule id, the least recently touched first: [fingerprint of the rule, steps done,
of whom it told last (a session or profile, empty for the device itself) or None, event time of that].

Steps done: of a funnel within a session, [session, number] of each session; of one within minutes, for each step but
the last the latest event time of a first step that led to it, or None.
"""


class CompiledRule:
    """A rule ready to be asked. ``fingerprint`` changes with whatever makes progress meaningless."""

    __slots__ = ("cooldown_ms", "fingerprint", "is_stateless", "last", "record", "tests", "window_ms")

    def __init__(self, record: RuleRecord) -> None:
        self.record = record
        said = record.model_dump_json(include={"steps", "window_minutes", "once_per", "cooldown_minutes"})
        self.fingerprint = blake2b(said.encode(), digest_size=6).hexdigest()
        self.tests = tuple(compile_conditions(step.conditions) for step in record.steps)
        self.last = len(record.steps) - 1
        self.window_ms = record.window_minutes * _MINUTE_MS
        self.cooldown_ms = record.cooldown_minutes * _MINUTE_MS
        self.is_stateless = not self.last and record.once_per is OncePer.EVERY and not self.cooldown_ms


Candidate = tuple[CompiledRule, tuple[int, ...]]


class ProjectRules:
    """The rules of one project that are switched on, by the names of events they look at."""

    def __init__(self, records: Iterable[RuleRecord]) -> None:
        wanted = sorted((record for record in records if record.enabled), key=lambda record: record.id)
        rules = [CompiledRule(record) for record in wanted[:MAX_RULES]]
        self.by_id = {rule.record.id: rule for rule in rules}
        names = {name for rule in rules for step in rule.record.steps for name in step.events}
        self._by_name = {name: _candidates(rules, name) for name in names}
        self._of_others = _candidates(rules, None)

    def __bool__(self) -> bool:
        return bool(self.by_id)

    def matches(self, row: EventRow) -> list[Candidate]:
        """The rules of which the event is a step, with the numbers of those steps, the last first."""
        candidates = self._by_name.get(row["name"], self._of_others)
        found = []
        for rule, steps in candidates:
            done = tuple(step for step in steps if rule.tests[step](row))
            if done:
                found.append((rule, done))
        return found


def _candidates(rules: Iterable[CompiledRule], name: str | None) -> tuple[Candidate, ...]:
    found = []
    for rule in rules:
        steps = tuple(at for at in range(rule.last, -1, -1) if _is_of(rule.record.steps[at], name))
        if steps:
            found.append((rule, steps))
    return tuple(found)


def _is_of(step: RuleStep, name: str | None) -> bool:
    return not step.events or name in step.events


def take(rule: CompiledRule, steps: tuple[int, ...], row: EventRow, memory: Memory) -> bool:
    """Whether the rule tells of this event, which is these steps of it; ``memory`` is changed accordingly."""
    if rule.is_stateless:
        return True
    if not row["device_id"]:
        # Nothing to remember it by: every event of a server is told of, and none is part of a funnel.
        return not rule.last
    entry = memory.get(rule.record.id)
    if entry is None or entry[0] != rule.fingerprint:
        entry = [rule.fingerprint, [], None, 0]
    time = parse_iso_ms(row["created_at"]) or 0
    if _is_silent(rule, entry, row, time):
        return False
    told = not rule.last or _advance(rule, entry, steps, row["session_id"], time)
    if told:
        entry[1:] = [[], _whom(rule, row), time]
    memory.pop(rule.record.id, None)
    if told and rule.last and rule.record.once_per is OncePer.EVERY and not rule.cooldown_ms:
        return True  # nothing is left to be remembered
    if told or entry[1]:
        memory[rule.record.id] = entry
        if len(memory) > MAX_REMEMBERED:
            del memory[next(iter(memory))]
    return told


def _whom(rule: CompiledRule, row: EventRow) -> str:
    if rule.record.once_per is OncePer.SESSION:
        return str(row["session_id"])
    return str(row["profile_id"]) if rule.record.once_per is OncePer.PROFILE else ""


def _is_silent(rule: CompiledRule, entry: list[Any], row: EventRow, time: int) -> bool:
    """Whether the rule has told already, and shall not tell again."""
    told_of, told_at = entry[2], entry[3]
    if told_of is None:
        return False
    if abs(time - told_at) < rule.cooldown_ms:
        return True
    whom = _whom(rule, row)
    if rule.record.once_per is OncePer.PROFILE and (not whom or not told_of):
        # A device whose user became known, or is not named this time, is still the same somebody.
        entry[2] = told_of or whom
        return True
    return rule.record.once_per is not OncePer.EVERY and bool(told_of == whom)


def _advance(rule: CompiledRule, entry: list[Any], steps: tuple[int, ...], session_id: str, time: int) -> bool:
    """Take the event as these steps of a funnel, the last first, so that it is one of them only; whether it is through.

    Progress is the best there is: the next step follows from the latest possible first one.
    """
    if not rule.window_ms:
        return _advance_in_session(rule, entry, steps, session_id)
    begun: list[int | None] = entry[1] or [None] * rule.last
    entry[1] = begun
    for step in steps:
        start = time if step == 0 else begun[step - 1]
        if start is None or not 0 <= time - start <= rule.window_ms:
            continue
        if step == rule.last:
            return True
        known = begun[step]
        begun[step] = start if known is None else max(known, start)
    return False


def _advance_in_session(rule: CompiledRule, entry: list[Any], steps: tuple[int, ...], session_id: str) -> bool:
    done = dict(entry[1])
    reached = done.get(session_id, 0)
    if rule.last in steps and reached == rule.last:
        return True
    if reached in steps:
        done[session_id] = reached + 1
        entry[1] = [list(pair) for pair in done.items()][-MAX_SESSIONS:]
    return False


def notification(rule: CompiledRule, row: EventRow) -> dict[str, Any]:
    """The row of ``weir.notifications`` (``schemas.notification``) for an event that a rule tells of."""
    record = rule.record
    of = row["event_id"]
    if record.once_per is OncePer.SESSION:
        of = row["session_id"] or of
    elif record.once_per is OncePer.PROFILE:
        of = row["profile_id"] or row["device_id"] or of
    text = f"{record.project_id}:{record.id}:{rule.fingerprint}:{record.once_per}:{of}"
    return {
        "notification_id": derived_event_id(text),
        "rule_id": record.id,
        "rule_name": record.name,
        **{name: row[name] for name in (*_COPIED, *_COPIED_TOO)},
        "properties": _excerpt(row["properties"]),
        **{name: row[name] for name in _COORDINATES},
    }


def _excerpt(properties: Mapping[str, Any]) -> dict[str, Any]:
    first = list(properties.items())[:MAX_EXCERPT_PROPERTIES]
    return {name: _short(value) for name, value in first}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_EXCERPT_TEXT]
    return [_short(each) for each in value[:MAX_EXCERPT_ITEMS]] if isinstance(value, list) else value


class RulesBatch:
    """The rules' part of one batch: sees every event row, hands notifications to ``tell``, and says what state became.

    ``rules``: of each project that has any. ``state`` is the partition's, never changed here.
    """

    def __init__(
        self, rules: Mapping[str, ProjectRules], state: Mapping[bytes, bytes], tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self._rules = rules
        self._state = state
        self._tell = tell
        self._memories: dict[bytes, tuple[bytes | None, Memory]] = {}
        self._offset = -1
        self._told = 0

    def __bool__(self) -> bool:
        """Whether there is any rule to be asked."""
        return bool(self._rules)

    def see(self, own: EventRow, shared: tuple[Columns, ...] = ()) -> None:
        """An event row that goes out: its own columns, and those it shares. Crawlers are nobody's business."""
        rules = self._rules.get(own["project_id"])
        if rules is None:
            return
        row = Row(own, shared)
        if row["bot"]:
            return
        for rule, steps in rules.matches(row):
            memory = {} if rule.is_stateless else self._memory(rules, row)
            if take(rule, steps, row, memory):
                self._tell_of(rule, row)

    def _tell_of(self, rule: CompiledRule, row: EventRow) -> None:
        if row["raw_offset"] != self._offset:
            self._offset, self._told = row["raw_offset"], 0
        self._told += 1
        if self._told > MAX_NOTIFICATIONS_PER_MESSAGE:
            metrics.NOTIFICATIONS_DROPPED.inc()
            return
        self._tell(notification(rule, row))

    def _memory(self, rules: ProjectRules, row: EventRow) -> Memory:
        if not row["device_id"]:
            return {}
        key = state_key(row["project_id"], row["device_id"])
        found = self._memories.get(key)
        if found is None:
            stored = self._state.get(key)
            memory: Memory = orjson.loads(stored) if stored is not None else {}
            # What a rule that is gone or was changed remembers means nothing any more.
            for rule_id in [each for each in memory if not _is_current(rules, each, memory[each][0])]:
                del memory[rule_id]
            found = self._memories[key] = (stored, memory)
        return found[1]

    def forget(self, project_id: str, device_id: str) -> None:
        """Remember nothing of the device any more."""
        key = state_key(project_id, device_id)
        if key in self._state or key in self._memories:
            self._memories[key] = (self._state.get(key), {})

    def changes(self) -> dict[bytes, bytes | None]:
        """The state that is another than before; None where nothing is left of it."""
        changed: dict[bytes, bytes | None] = {}
        for key, (stored, memory) in self._memories.items():
            now = orjson.dumps(memory) if memory else None
            if now != stored:
                changed[key] = now
        return changed


def state_key(project_id: str, device_id: str) -> bytes:
    """Where the state of a device lies."""
    return STATE_PREFIX + f"{project_id}/{device_id}".encode("utf-8", "surrogatepass")


def _is_current(rules: ProjectRules, rule_id: str, fingerprint: Any) -> bool:
    rule = rules.by_id.get(rule_id)
    return rule is not None and rule.fingerprint == fingerprint


def abandoned(state: Iterable[bytes], rules: Mapping[str, ProjectRules]) -> dict[bytes, None]:
    """Tombstones for what is remembered of projects that have no rules any more."""
    return {
        key: None
        for key in state
        if key.startswith(STATE_PREFIX) and key[len(STATE_PREFIX) :].split(b"/", 1)[0].decode() not in rules
    }
