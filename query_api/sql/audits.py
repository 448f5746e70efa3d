"""The auditor's last report, and when the last clean one was. Of the whole installation, so without a project."""

from query_api.sql.builder import Query, quoted


def last_audit(database: str) -> Query:
    """At most one row: the newest report, ``clean_at`` of the last clean one (1970 if there was none)."""
    audits = f"{quoted(database)}.audits"
    return Query(
        f"select started_at, seconds, complete, clean, report, "
        f"(select max(started_at) from {audits} where clean = 1) as clean_at "
        f"from {audits} order by started_at desc limit 1"
    )
