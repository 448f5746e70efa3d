"""What a project does not want stored: crawlers' events under its bot policy, and what its filters name."""

from typing import Literal

from schemas.control import BotPolicy, ProjectRecord
from schemas.raw_event import RawKind
from streams.prepare import Prepared

Unwanted = Literal["bots", "filtered"]


def unwanted(event: Prepared, project: ProjectRecord) -> Unwanted | None:
    """As what the event is counted instead of being stored (a field of the ledger), or None."""
    raw = event.raw
    if raw.kind is RawKind.UNLINK:
        return None  # whoever keeps the project in order is no visitor of it
    filters = project.compiled_filters
    if filters:
        country: str = event.surroundings["country"]
        path: str = event.page["path"]
        of_profile, agent = raw.profile_id, raw.user_agent
        if filters.matches(ip=raw.ip, profile_id=of_profile, country=country, path=path, user_agent=agent):
            return "filtered"
    # What a client's key let in has passed the gateway, which saw the secret: such events are only flagged.
    if event.bot and project.bot_policy is BotPolicy.DROP and not raw.client_id:
        return "bots"
    return None
