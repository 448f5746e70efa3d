"""Groups: what their operations, on ``weir.profile-ops`` like those of profiles, make of ``weir.groups``."""

from typing import Any

from schemas.event_time import clickhouse_time
from streams.subject import Subject

GROUP_TRAITS = frozenset({"type", "name"})


def group_row(project_id: str, group_id: str, group: Subject) -> dict[str, Any]:
    """The row of ``weir.groups``, without the coordinates of the log."""
    return {
        "project_id": project_id,
        "group_id": group_id,
        **{trait: group.text(trait) for trait in sorted(GROUP_TRAITS)},
        "properties": group.properties(),
        "created_at": clickhouse_time(group.created or 0),
        "updated_at": clickhouse_time(group.updated),
        "is_deleted": 0,
        "version": group.version,
    }
