"""Crawlers and tools among the senders, told by their user agent."""

import json
import logging
import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from ua_parser_rs import UserAgentExtractor

from streams.enrich.url import clean_text

logger = logging.getLogger(__name__)

MAX_USER_AGENT = 1_024
MAX_NAME = 64
CACHE_ENTRIES = 8_192

_LIST_PACKAGE = "crawleruseragents"
_LIST_FILE = "crawler-user-agents.json"

_PASSED_OVER_TAGS = frozenset({"http-library", "browser-automation"})
"""HTTP libraries are how servers send their events (``parse_agent`` calls them servers); a headless browser is a
browser until something else is known of it: tests, screen readers' renderers and people's own scripts use them."""
_PASSED_OVER = frozenset(
    {
        # Builds and browsers of people.
        r"AP3A\.240617\.008",
        "MetaIAB Facebook",
        r"Code\/1\.",
        "Sogou",
        "Crazy Egg",
        "Hotjar",
        # Servers that pass on what people did.
        r"WordPress\/",
        "Zapier",
        r"Integromat\/",
        r"Stripe\/",
        r"Retool\/",
        r"IFTTT\/",
        r"Klaviyo\/",
        r"TwilioProxy\/",
        r"SFDC-Callout\/",
        r"Svix-Webhooks\/",
        "Shopify-Captain-Hook",
        "Google-Apps-Script",
        "AppEngine-Google",
        # Words too common to mean a crawler wherever they stand.
        "Sonic",
        "speedy",
        "fluffy",
        "Fluid",
        "Butterfly",
        "Charlotte",
        "Magellan",
        "Devin",
        "Yeti",
        "Determ",
        "Fever",
        "Adventurer",
        "Hello World",
        r"Readable\/",
        r"Make\/",
        r"Uptime\/",
        r"Operator\/",
        r"PayPal\/",
        r"Instapaper\/",
        "ds9",
        r"008\/",
        r"mail\.ru",
        r"Salesforce\.com",
    }
)
_OF_OUR_OWN = (
    r"Sogou (?:web|inst|Pic|News|Orion) ?[sS]pider",
    r"Yeti\/[\d.]+ \(",
    # Whatever calls itself a bot, crawler, spider or scraper, in the place where products are named. (Cubot phones
    # are named in other places or in capitals.)
    r"[A-Za-z0-9._-]*(?:[Bb]ot|[Cc]rawler|[Ss]pider|[Ss]craper)[0-9.]*(?:\/[0-9v]|;|\)|$)",
    "facebookexternalhit|meta-external[a-z]+|Slurp|GoogleOther|Google-InspectionTool|Mediapartners-Google|BingPreview",
    "ChatGPT-User|Claude-User|Perplexity-User|MistralAI-User|ia_archiver|HTTrack|Screaming Frog|SkypeUriPreview",
    r"Chrome-Lighthouse|Google Page Speed|GTmetrix|PTST\/|[pP]ingdom|StatusCake|Site24x7|DatadogSynthetics|Checkly",
    r"Embedly|sqlmap|Nikto|masscan|zgrab|Nessus|[aA]cunetix|WPScan|[dD]ir[bB]uster",
)
_EDGES = re.compile(r"^[\s(;,+/]+|(?:[\s(;,)+/:]|https?)+$")


def bot_name(user_agent: str) -> str:
    """The crawler's or tool's name, or an empty text if it is none that is known by its user agent. Never raises.

    Headless browsers and HTTP libraries are not flagged.
    """
    return _bot_name(user_agent[:MAX_USER_AGENT])


@cache
def _crawlers() -> UserAgentExtractor:
    patterns = [pattern for pattern in _listed_patterns() if pattern not in _PASSED_OVER]
    return UserAgentExtractor((f"({pattern})", "$1", None, None, None, None) for pattern in (*patterns, *_OF_OUR_OWN))


def _listed_patterns() -> list[str]:
    spec = find_spec(_LIST_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        logger.warning("the package crawler-user-agents is not installed: only the best known crawlers are told")
        return []
    entries = json.loads(Path(spec.submodule_search_locations[0], _LIST_FILE).read_bytes())
    return [entry["pattern"] for entry in entries if not _PASSED_OVER_TAGS.intersection(entry.get("tags", ()))]


@lru_cache(maxsize=CACHE_ENTRIES)
def _bot_name(user_agent: str) -> str:
    if not user_agent:
        return ""
    found = _crawlers().extract(clean_text(user_agent))
    if found is None:
        return ""
    return _EDGES.sub("", found.family)[:MAX_NAME].strip() or "bot"
