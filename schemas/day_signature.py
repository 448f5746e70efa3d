"""What is compared of a day to know whether anything has changed in it since it was folded: rows, and a sum over them
that each row which comes or goes changes.

As expressions over the tables: these and no others, for the projections ``project_halves`` have exactly them, and with
another one the tables themselves would be read.
"""

EVENTS_HALF_HOUR = "toStartOfInterval(toDateTime(created_at), interval 30 minute)"
EVENTS = ("count()", "sum(cityHash64(event_id))")

SESSIONS_HALF_HOUR = "toStartOfInterval(toDateTime(started_at), interval 30 minute)"
SESSIONS = ("sum(sign)", "sum(sign * toInt64(cityHash64(session_id, version)))")
"""The same before and after merges take away rows that cancel each other."""

PROJECTION = "project_halves"
"""The projections themselves have these columns, under names that the engine gives them: half hours, and states of the
measures. Read as tables of their own they answer in a third of the time, but say nothing of parts of the tables that
have no projection (yet): what they come to is then another sum than that of the whole day.
"""
EVENTS_STORED_HALF_HOUR = "`toStartOfInterval(toDateTime(created_at), toIntervalMinute(30))`"
EVENTS_STORED = ("countMerge(`count()`)", "sumMerge(`sum(cityHash64(event_id))`)")

SESSIONS_STORED_HALF_HOUR = "`toStartOfInterval(toDateTime(started_at), toIntervalMinute(30))`"
SESSIONS_STORED = (
    "sumMerge(`sum(sign)`)",
    "sumMerge(`sum(multiply(sign, toInt64(cityHash64(session_id, version))))`)",
)
