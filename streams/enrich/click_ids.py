"""Click ids: what advertising platforms and mailers add to a link's query, and whose they are.

Names of parameters as the platforms document them for advertisers.
"""

from collections.abc import Mapping

CLICK_IDS = {
    "gclid": "google_ads",
    "gbraid": "google_ads",
    "wbraid": "google_ads",
    "dclid": "google_ads",
    "msclkid": "bing_ads",
    "ttclid": "tiktok_ads",
    "twclid": "twitter_ads",
    "li_fat_id": "linkedin_ads",
    "rdt_cid": "reddit_ads",
    "sccid": "snapchat_ads",
    "epik": "pinterest_ads",
    "qclid": "quora_ads",
    "yclid": "yandex_ads",
    "ymclid": "yandex_ads",
    "obclid": "outbrain",
    "tblci": "taboola",
    "irclickid": "impact",
    "awc": "awin",
    "cjevent": "cj",
    "mc_eid": "mailchimp",
    "_kx": "klaviyo",
    "vero_id": "vero",
    "igshid": "instagram",
    "igsh": "instagram",
    "fbclid": "facebook",
    "srsltid": "google",
}
"""Parameter (in lower case) to the source it stands for, in the words of ``referrer_names``; those of paid clicks come
first. Facebook's and Instagram's are on every link that leaves them, Google's ``srsltid`` on unpaid results: they tell
the source, not an ad.
"""


def click_source(query: Mapping[str, str]) -> str:
    """The source that a link's click id stands for; empty if it has none. ``query``: keys in lower case. Of several the
    one that stands first in ``CLICK_IDS``: an ad's before those that every link has.
    """
    return next((source for name, source in CLICK_IDS.items() if query.get(name)), "") if query else ""
