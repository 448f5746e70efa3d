"""Crawlers and tools among the senders, told by their user agent. The same rule for gateway and workers."""

import json
import logging
import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ua_parser_rs import UserAgentExtractor

from schemas.clean_text import clean_text

logger = logging.getLogger(__name__)

MAX_USER_AGENT = 1_024
MAX_NAME = 64
CACHE_ENTRIES = 8_192
LONGEST_REMEMBERED = 512
"""Longer user agents are not remembered, nor those with other characters than ASCII's: no browser sends them, and
anybody could fill the memory."""

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
_ANY_CRAWLER = "crawler"
_OF_OUR_OWN = (
    (r"Sogou (?:web|inst|Pic|News|Orion) ?[sS]pider", "search-engine"),
    (r"Yeti\/[\d.]+ \(", "search-engine"),
    # Whatever calls itself a bot, crawler, spider or scraper, in the place where products are named. (Cubot phones
    # are named in other places or in capitals.)
    (
        r"[A-Za-z0-9._-]*(?:[Bb]ot|[Cc]rawler|[Ss]pider|[Ss]craper)[0-9.]*(?:\/[0-9v]|;|\)|$)",
        _ANY_CRAWLER,
    ),
    ("facebookexternalhit|meta-external[a-z]+|SkypeUriPreview", "social-preview"),
    ("Slurp|GoogleOther|Google-InspectionTool|Mediapartners-Google|BingPreview", "search-engine"),
    ("ChatGPT-User|Claude-User|Perplexity-User|MistralAI-User", "ai-crawler"),
    ("ia_archiver|HTTrack|Screaming Frog", "archiver"),
    (
        r"Chrome-Lighthouse|Google Page Speed|GTmetrix|PTST\/|[pP]ingdom|StatusCake|Site24x7|DatadogSynthetics|Checkly",
        "monitoring",
    ),
    (r"Embedly|sqlmap|Nikto|masscan|zgrab|Nessus|[aA]cunetix|WPScan|[dD]ir[bB]uster", "scanner"),
)
"""Pattern and type, in the words of the list."""
_BETWEEN = "\x1f"
_EDGES = re.compile(r"^[\s(;,+/]+|(?:[\s(;,)+/:]|https?)+$")


class Bot(NamedTuple):
    """A crawler or tool. ``type``: ``search-engine``, ``monitoring``, ``ai-crawler`` …, ``crawler`` if nothing else is
    known of it.
    """

    name: str
    type: str


def find_bot(user_agent: str) -> Bot | None:
    """The crawler or tool with this user agent, or None if it is none that is known by it. Never raises.

    Headless browsers and HTTP libraries are none.
    """
    if len(user_agent) <= LONGEST_REMEMBERED and user_agent.isascii():
        return _remembered(user_agent)
    return _find(user_agent[:MAX_USER_AGENT])


def bot_name(user_agent: str) -> str:
    """The crawler's or tool's name, empty if it is none."""
    found = find_bot(user_agent)
    return found.name if found is not None else ""


def load_bots() -> None:
    """Load the list, a tenth of a second's work that the first look would do otherwise."""
    _crawlers()


@cache
def _crawlers() -> UserAgentExtractor:
    patterns = [*((pattern, kind) for pattern, kind in _listed() if pattern not in _PASSED_OVER), *_OF_OUR_OWN]
    # The type rides behind the name, which has no control characters.
    return UserAgentExtractor(
        (f"({pattern})", f"$1{_BETWEEN}{kind}", None, None, None, None) for pattern, kind in patterns
    )


def _listed() -> list[tuple[str, str]]:
    """Pattern and type of each crawler in the list."""
    spec = find_spec(_LIST_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        logger.warning("the package crawler-user-agents is not installed: only the best known crawlers are told")
        return []
    entries = json.loads(Path(spec.submodule_search_locations[0], _LIST_FILE).read_bytes())
    return [
        (entry["pattern"], next(iter(entry.get("tags", ())), _ANY_CRAWLER))
        for entry in entries
        if not _PASSED_OVER_TAGS.intersection(entry.get("tags", ()))
    ]


def _find(user_agent: str) -> Bot | None:
    if not user_agent:
        return None
    found = _crawlers().extract(clean_text(user_agent))
    if found is None:
        return None
    name, _, kind = found.family.partition(_BETWEEN)
    return Bot(_EDGES.sub("", name)[:MAX_NAME].strip() or "bot", kind)


_remembered = lru_cache(maxsize=CACHE_ENTRIES)(_find)
