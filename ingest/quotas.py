"""Events per project and month, counted by all gateways together.

Each gateway tells on ``weir.control`` what it took itself and adds up what the others tell, about once a second: so
many events may come too many. Only projects that have a quota are counted.
"""

from datetime import UTC, datetime

from schemas.control import ProjectRecord, UsageRecord, control_key
from schemas.event_time import month_of

LONGEST_WAIT_SECONDS = 3_600
"""A quota may be raised before the month is over."""


class Quotas:
    """What one gateway knows of all. One thread applies records while another counts and asks."""

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self._own: dict[tuple[str, int], int] = {}
        self._written: dict[tuple[str, int], int] = {}
        self._told: dict[str, UsageRecord] = {}
        self._others: dict[tuple[str, int], int] = {}

    def apply(self, key: str, record: UsageRecord | None) -> None:
        """Take what a gateway says it took, under the key without its ``usage/``; None: nobody needs it any more."""
        if record is not None and record.gateway == self.gateway:
            return
        before = self._told.pop(key, None)
        if before is not None:
            self._others[before.project_id, before.month] -= before.events
        if record is not None:
            self._told[key] = record
            owner = record.project_id, record.month
            self._others[owner] = self._others.get(owner, 0) + record.events

    def used(self, project_id: str, now_ms: int) -> int:
        """Events of the present month, as far as this gateway knows."""
        owner = project_id, month_of(now_ms)
        return self._own.get(owner, 0) + self._others.get(owner, 0)

    def wait(self, project: ProjectRecord, now_ms: int) -> int:
        """Seconds after which to come again; 0 while the quota is not used up."""
        if not project.monthly_events or self.used(project.id, now_ms) < project.monthly_events:
            return 0
        return min(max(_month_end_ms(now_ms) - now_ms, 0) // 1_000 + 1, LONGEST_WAIT_SECONDS)

    def count(self, project: ProjectRecord, events: int, now_ms: int) -> None:
        """So many more were taken."""
        if project.monthly_events:
            owner = project.id, month_of(now_ms)
            self._own[owner] = self._own.get(owner, 0) + events

    def changes(self) -> list[UsageRecord]:
        """What is to be told of this gateway's own counts."""
        return [
            UsageRecord(gateway=self.gateway, project_id=project_id, month=month, events=events)
            for (project_id, month), events in self._own.items()
            if self._written.get((project_id, month)) != events
        ]

    def written(self, record: UsageRecord) -> None:
        """It was told."""
        self._written[record.project_id, record.month] = record.events

    def outdated(self, now_ms: int) -> list[str]:
        """Keys (of control records) of months before the last, which nobody asks for; this gateway's own are
        forgotten here.
        """
        # The last month stays: another gateway's clock may still be in it.
        oldest = month_of(now_ms - 32 * 24 * 3_600_000)
        for counts in (self._own, self._written):
            for owner in [owner for owner in counts if owner[1] < oldest]:
                del counts[owner]
        return [control_key(record) for record in list(self._told.values()) if record.month < oldest]


def _month_end_ms(now_ms: int) -> int:
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    year, month = divmod(now.year * 12 + now.month, 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp() * 1_000)
