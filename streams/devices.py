"""A raw partition's processor: messages to lines, lines to devices, time to ended sessions, all of it to rows.

State keys: those of ``known_devices``, ``gateway/<id>`` (``sequences``), ``rules/…`` and the partition's own clock.
What a message does depends on the messages before it and on the control data in force, never on how messages came
grouped.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

from schemas.control import ProjectRecord
from schemas.envelope import is_tick, is_tick_value, split_lines
from schemas.raw_event import RawKind
from schemas.topics import MAX_MESSAGE_BYTES, MAX_RAW_MESSAGE_BYTES, RAW
from streams import metrics
from streams.chunk import Chunk, SourceMessage
from streams.device import take
from streams.erase import erase
from streams.erasures import Erasures
from streams.filtering import unwanted
from streams.known_devices import FORGOTTEN_MS, DeviceIndex, KnownDevices
from streams.live import Seen
from streams.prepare import Place, parse_line, prepare
from streams.processor import Outcome
from streams.rejected import Rejected
from streams.rows import Rows, Tally
from streams.rules import ProjectRules, RulesBatch, abandoned
from streams.sender import Locate
from streams.sequences import Sequences

CLOCK_KEY = b"\0clock"
OUTAGE_MS = 2 * 60_000
"""Ticks come every 30 s: a gap this long between two stamps means that the log itself stood still."""
GRACE_MS = 5 * 60_000
"""After the log stood still no session ends for so long: those who were cut off get to say that they are there."""
SET_BACK_MS = 3_600_000
"""Stamps this much older than others mean that the broker's clock was set back."""
MAX_OUTCOME_ROWS = 50_000
"""A batch stops between two messages once it has this many rows: nothing unbounded in one transaction."""
MAX_TAKEN_BYTES = MAX_MESSAGE_BYTES // 2
"""A larger message is a dead letter as a whole: what it makes must fit into a transaction, it into a dead letter."""
MAX_TAKEN_LINES = 10_000
"""A message of more lines is a dead letter as a whole, for the same reason. Gateways close envelopes far below."""
MAX_POISON_LINES = 10
"""So many lines of one message may make the step throw; then the whole message is given up."""
WHOLE_MESSAGE = -1
_OUTCOMES = ("stored", "repeated", "bots", "filtered", "dead", "operations")


class Clock(NamedTuple):
    """A partition's stream time, until when sessions don't end, the latest time it ever showed, all in milliseconds;
    and the number of the newest link of an id (``identity.next_link``).
    """

    time: int = 0
    hold_until: int = 0
    latest: int = 0
    link: int = 0

    def advanced(self, stamp: int) -> "Clock":
        """The clock after a message of that stamp. It goes back only by more than an hour: then the broker's clock was
        ahead, and until it were there again every session would end, and every device be forgotten, at once.
        """
        if self.time - SET_BACK_MS <= stamp <= self.time:
            return self
        stood_still = self.time and not 0 < stamp - self.time <= OUTAGE_MS
        hold_until = stamp + GRACE_MS if stood_still else self.hold_until
        return self._replace(time=stamp, hold_until=hold_until, latest=max(self.latest, self.time, stamp))

    @property
    def was_ahead(self) -> bool:
        """Whether it has shown a time that is yet to come."""
        return self.latest > self.time


class DevicesProcessor:
    """See ``processor.Processor``. ``projects`` returns the projects known now, ``rules`` those in force; ``epochs``
    are those of all topics. ``live`` gets the newest row of each device once a batch is committed. ``erasures``: of
    whom nothing older is taken.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        epochs: dict[str, int],
        projects: Callable[[], dict[str, ProjectRecord]],
        locate: Locate,
        rules: Callable[[], dict[str, ProjectRules]] = dict,
        live: Callable[[Seen], object] = len,
        erasures: Erasures | None = None,
    ) -> None:
        self._partition = partition
        self._partitions = partitions
        self._epochs = epochs
        self._projects = projects
        self._locate = locate
        self._rules = rules
        self._live = live
        self._erasures = erasures if erasures is not None else Erasures()
        self._abandoned: dict[bytes, None] = {}
        self._state: dict[bytes, bytes] = {}
        self._clock = Clock()
        self._sequences = Sequences({})
        self._index = DeviceIndex({})

    def restore(self, state: dict[bytes, bytes]) -> None:
        """Take up a loaded state: the clock, and who was heard of when."""
        self._state = state
        stored = state.get(CLOCK_KEY)
        self._clock = Clock(*orjson.loads(stored)) if stored is not None else Clock()
        self._sequences = Sequences(state)
        self._abandoned = abandoned(state, self._rules())
        self._index = DeviceIndex(state)

    def process(self, chunks: Sequence[Chunk]) -> Outcome:
        """See ``processor.Processor``. An event that makes the step throw is found out and becomes a dead letter."""
        poison: dict[int, str] = {}
        stop = chunks[-1].end
        while True:
            batch = _Batch(self, poison, stop)
            try:
                return batch.run(chunks)
            except _Poison as found:
                # The step may have changed the device half way, so what was computed is thrown away. What came before
                # the message is a batch of its own; the message itself is begun anew without that line.
                self._index.undo()
                offset = found.place.offset
                if any(message.offset < offset for chunk in chunks for message in chunk.messages):
                    stop = offset
                else:
                    stop = offset + 1
                    poison[found.place.line] = found.error
                    if len(poison) >= MAX_POISON_LINES:
                        poison[WHOLE_MESSAGE] = found.error


class _Poison(Exception):
    """A line on which the step throws: a bug of ours, which must not stop the partition."""

    def __init__(self, place: Place, error: str) -> None:
        super().__init__(error)
        self.place = place
        self.error = error


class _Batch:
    """One pass over chunks: nothing of the processor changes until it is applied."""

    def __init__(self, owner: DevicesProcessor, poison: dict[int, str], stop: int) -> None:
        self._owner = owner
        self._poison = poison
        self._stop = stop
        self._epoch = owner._epochs[RAW]
        self._projects = owner._projects()
        self._clock = owner._clock
        self._sequences = owner._sequences.batch()
        self._rows = Rows(owner._partition, owner._partitions, owner._epochs, self._clock.link)
        self._rules = RulesBatch(owner._rules(), owner._state, self._rows.notification)
        owner._index.begin()
        self._devices = KnownDevices(
            owner._state, owner._index, owner._partition, owner._partitions, self._rules.forget
        )
        self._erasures, self._anybody_erased = owner._erasures, False
        if self._rules:
            self._rows.watch = self._rules.see
        self._lines = 0
        self._misplaced = 0
        self._last = Place(self._epoch, owner._partition, 0, 0, 0)

    def run(self, chunks: Sequence[Chunk]) -> Outcome:
        end = self._consume(chunks)
        changes: dict[bytes, bytes | None] = {}
        changes |= self._sequences.changes() | self._owner._abandoned | self._rules.changes()
        changes |= self._devices.changes(self._rows, self._last)
        self._clock = self._clock._replace(link=self._rows.link)
        changes[CLOCK_KEY] = orjson.dumps(list(self._clock))
        return Outcome(self._rows.finish(), changes, end, self._applied, self._lines)

    def _applied(self) -> None:
        self._owner._clock = self._clock
        self._owner._abandoned = {}
        self._owner._live(self._devices.seen())
        self._owner._sequences.commit(self._sequences)
        if self._misplaced:
            metrics.MISPLACED.inc(self._misplaced)

    def _consume(self, chunks: Sequence[Chunk]) -> int:
        end = chunks[0].start
        for chunk in chunks:
            for message in chunk.messages:
                if self._rows.rows > MAX_OUTCOME_ROWS or message.offset >= self._stop:
                    return end
                self._hole(end, message.offset, message.timestamp)
                self._message(message)
                end = message.offset + 1
            self._hole(end, chunk.end, self._clock.time)
            end = chunk.end
        return end

    def _hole(self, start: int, end: int, stamp: int) -> None:
        """Offsets that hold no message: markers of transactions, aborted messages."""
        if end > start:
            self._rows.ledger("hole", Place(self._epoch, self._owner._partition, start, 0, stamp), end, Tally())

    def _message(self, message: SourceMessage) -> None:
        self._clock = self._clock.advanced(message.timestamp)
        self._devices.forgotten_until = self._clock.latest - FORGOTTEN_MS if self._clock.was_ahead else 0
        place = Place(self._epoch, self._owner._partition, message.offset, 0, message.timestamp)
        self._last = place
        if self._clock.time >= self._clock.hold_until:
            self._devices.end_overdue(self._clock.time, place, self._rows)
            self._devices.forget_idle(self._clock.time, place, self._rows)
        value = message.value or b""
        if is_tick(message.headers) and is_tick_value(value):
            self._rows.ledger("tick", place, place.offset + 1, Tally())
            return
        lines = split_lines(value)
        self._lines += len(lines)
        if self._sequences.is_repeated(message.headers, self._clock.time):
            self._rows.ledger("message", place, place.offset + 1, Tally(lines=len(lines), repeated=len(lines)))
            return
        refusal = _refusal(value, len(lines))
        if refusal is not None:
            # An empty value would be no row in the store.
            self._rows.dead(
                value[:MAX_RAW_MESSAGE_BYTES] or b"\n",
                "parse",
                refusal,
                Place(place.epoch, place.partition, place.offset, -1, place.stamp),
            )
            self._rows.ledger("message", place, place.offset + 1, Tally(lines=1, dead=1))
            return
        counts = dict.fromkeys(_OUTCOMES, 0)
        self._anybody_erased = bool(self._erasures)
        epoch, partition, offset, stamp = place.epoch, place.partition, place.offset, place.stamp
        for number, line in enumerate(lines):
            at = Place(epoch, partition, offset, number, stamp)
            try:
                counts[self._line(line, at)] += 1
            except Rejected as rejected:
                self._rows.dead(line, "step" if rejected.reason == "step_failed" else "parse", rejected, at)
                counts["dead"] += 1
        self._rows.ledger("message", place, place.offset + 1, Tally(lines=len(lines), **counts))

    def _line(self, line: bytes, place: Place) -> str:
        """What became of the line: one of the ledger's fields. Raises Rejected."""
        if self._poison and (error := self._poison.get(place.line, self._poison.get(WHOLE_MESSAGE))) is not None:
            raise Rejected("step_failed", error)
        try:
            raw = parse_line(line)
            if raw.kind is RawKind.ERASE:
                erase(raw, place, self._owner._partitions, self._devices, self._rules.forget, self._rows)
                return "operations"
            if self._anybody_erased and self._erasures.covers(raw, place.stamp):
                return "filtered"
            project = self._projects.get(raw.project_id)
            event = prepare(raw, place, project, self._owner._locate)
            if project is not None and (event.bot or project.filters) and (outcome := unwanted(event, project)):
                return outcome
            device = self._devices.of(raw.project_id, raw.device_id, event.event_id)
            was_known, was_open = device.is_known, device.is_open
            taken = take(device, event, place, self._rows)
        except Rejected:
            raise
        except Exception as error:  # whatever a line provokes, only that line may die of it
            raise _Poison(place, f"{type(error).__name__}: {error}") from error
        if device.placed < 0:
            self._misplaced += 1
        if not taken:
            return "repeated"
        if not (was_known and was_open):
            self._devices.remind(device, was_known, was_open)
        return "stored" if raw.kind is RawKind.TRACK else "operations"


def _refusal(value: bytes, lines: int) -> Rejected | None:
    """Why a message can't be taken at all."""
    if not lines:
        return Rejected("empty_message", "The message holds no line.")
    if len(value) > MAX_TAKEN_BYTES:
        return Rejected("message_too_large", f"The message has {len(value)} bytes; this is the first MiB.")
    if lines > MAX_TAKEN_LINES:
        return Rejected("too_many_lines", f"It has {lines} lines, over {MAX_TAKEN_LINES}; this is its first MiB.")
    return None
