"""By which properties of sessions there are lists, and which rows of `VISITS` are sessions as they are now."""

from enum import StrEnum

from query_api.sql.builder import In, Select
from query_api.sql.tables import VISITS


class Dimension(StrEnum):
    """A property of sessions by which they can be listed; each is a column of that name."""

    REFERRER = "referrer"
    REFERRER_NAME = "referrer_name"
    REFERRER_TYPE = "referrer_type"
    UTM_SOURCE = "utm_source"
    UTM_MEDIUM = "utm_medium"
    UTM_CAMPAIGN = "utm_campaign"
    UTM_TERM = "utm_term"
    UTM_CONTENT = "utm_content"
    COUNTRY = "country"
    REGION = "region"
    CITY = "city"
    DEVICE = "device"
    BRAND = "brand"
    MODEL = "model"
    BROWSER = "browser"
    BROWSER_VERSION = "browser_version"
    OS = "os"
    OS_VERSION = "os_version"
    ENTRY_ORIGIN = "entry_origin"
    ENTRY_PATH = "entry_path"
    EXIT_ORIGIN = "exit_origin"
    EXIT_PATH = "exit_path"


def not_of_pairs(condition: str) -> In:
    """The condition that a row of `VISITS` is a session as it is now: both rows of a pair have the same version and
    half hour. ``condition``: which half hours are asked about.
    """
    of_pairs = Select({"of_pair": "cityHash64(session, version)"}, VISITS, where=(condition, "sign = -1"))
    return In("cityHash64(session, version)", of_pairs, negated=True)
