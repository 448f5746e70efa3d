"""What a visit tells of where it came from: columns of ``schemas.session.Session``. A profile keeps those of its first
and of its last visit.
"""

TOUCHED = (
    "referrer",
    "referrer_name",
    "referrer_type",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "entry_path",
    "entry_origin",
    "country",
    "region",
    "city",
    "device",
    "os",
    "browser",
)
