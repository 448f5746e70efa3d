"""The tables that are filled from Kafka, and from which topic."""

from schemas import topics

TABLES = {
    "events": topics.EVENTS,
    "sessions": topics.SESSIONS,
    "profiles": topics.PROFILES,
    "groups": topics.GROUPS,
    "identities": topics.IDENTITIES,
    "replay_chunks": topics.REPLAY,
    "ledger": topics.LEDGER,
    "dead_letters": topics.DEAD_LETTERS,
}
