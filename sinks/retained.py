"""Where retention took rows of each project. Of before, rollups may hold what their tables do not: the two are not
compared, and such rollups are not made anew. Rows may be there all the same: a project that keeps them longer since.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from sinks.sql_text import literal

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Retained:
    """``projects``: from when on retention took nothing of each; ``everywhere``: of all, when a version of Weir took
    months as a whole without telling the ledger.
    """

    everywhere: datetime = _EVER
    projects: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def month(self) -> int:
        """The first month (``yyyymm``) that is compared with the ledger: older ones were dropped."""
        return int(f"{self.everywhere:%Y%m}")

    def kept_from(self, project_id: str) -> datetime:
        """From when on nothing of the project was taken."""
        return max(self.everywhere, self.projects.get(project_id, _EVER))

    def condition(self, time: str) -> str:
        """The condition that a row, of which ``time`` is a column, is of a time of which nothing was taken."""
        everywhere = _seconds(self.everywhere)
        if not self.projects:
            return f"{time} >= {everywhere}" if self.everywhere > _EVER else "1"
        names = ", ".join(literal(name) for name in self.projects)
        times = ", ".join(_seconds(self.kept_from(name)) for name in self.projects)
        return f"{time} >= transform(toString(project_id), [{names}], [{times}], {everywhere})"


def read_retained(client: Client) -> Retained:
    """What retention has taken until now."""
    rows = client.query(
        "select project_id, toUnixTimestamp(toDateTime(max(kept_from), 'UTC')) from retained group by project_id"
    ).result_rows
    found = {str(project): datetime.fromtimestamp(seconds, UTC) for project, seconds in rows}
    return Retained(found.pop("", _EVER), found)


def _seconds(moment: datetime) -> str:
    return f"toDateTime({int(moment.timestamp())}, 'UTC')"
