"""Keys and values of properties as one types them: from the rollup of properties, never from events."""

from query_api.sql.builder import Query, Select, build
from query_api.sql.tables import PROPERTY_VALUES

# Two names by which no condition means a sum: an alias that is a column's name would take its place.
_SUMS = {"seen": "sum(events)", "last_ms": "toUnixTimestamp64Milli(max(last_seen))"}
_ORDER = "seen desc, {}"
_LIMIT = "{limit:UInt32}"

_KEYS = Select(
    columns={"property_key": "toString(key)", **_SUMS},
    source=PROPERTY_VALUES,
    where=("value = ''", "positionCaseInsensitiveUTF8(key, {search:String}) > 0"),
    group_by="property_key",
    order_by=_ORDER.format("property_key"),
    limit=_LIMIT,
)
_VALUES = Select(
    columns={"property_value": "value", **_SUMS},
    source=PROPERTY_VALUES,
    where=("key = {key:String}", "value != ''", "positionCaseInsensitiveUTF8(value, {search:String}) > 0"),
    group_by="property_value",
    order_by=_ORDER.format("property_value"),
    limit=_LIMIT,
)


def property_keys(database: str, project_id: str, search: str, limit: int) -> Query:
    """Keys that contain a text in any case, the most frequent first. Rows: property_key, seen (how many events had
    it), last_ms.
    """
    return build(database, project_id, _KEYS, search=search, limit=limit)


def property_values(database: str, project_id: str, key: str, search: str, limit: int) -> Query:
    """Values of a key that contain a text in any case, the most frequent first. Rows: property_value, seen, last_ms."""
    return build(database, project_id, _VALUES, key=key, search=search, limit=limit)
