"""What a user agent and its client hints say of the device: system, browser, class, brand and model."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from ua_parser import Domain, PartialResult, RegexResolver, load_lazy_builtins

MAX_USER_AGENT = 512
"""Characters of a user agent that are looked at."""
MAX_TEXT = 128
"""Characters of any field of the answer."""
CACHE_ENTRIES = 8_192
LONGEST_REMEMBERED = 512
"""Longer user agents are looked at anew each time where a gateway asks, as are those with other characters than
ASCII's: anybody could fill its memory with them."""

HINT_NAMES = (
    "sec-ch-ua-mobile",
    "sec-ch-ua-model",
    "sec-ch-ua-platform",
    "sec-ch-ua-platform-version",
    "sec-ch-ua",
)
"""Request headers, in lower case, that are used; others are ignored."""


class Agent(NamedTuple):
    """A device. Empty texts stand for what is not known.

    ``device`` is ``desktop``, ``mobile``, ``tablet``, ``smarttv``, ``console``, ``wearable``, ``embedded``, ``server``
    or empty. ``is_server``: a program, not somebody's device; then everything else is empty.
    """

    os: str = ""
    os_version: str = ""
    browser: str = ""
    browser_version: str = ""
    device: str = ""
    brand: str = ""
    model: str = ""
    is_server: bool = False


SERVER = Agent(device="server", is_server=True)

_TOKEN = re.compile(r"[^/\s]+/[\d.]+")
_PEOPLE = re.compile(
    r"Mozilla/5\.0 \((?:Windows NT 1|Macintosh; Intel Mac OS X 1|X11; Linux x86_64|X11; CrOS|Linux; Android 1"
    r"|iPhone; CPU iPhone OS 1|iPad; CPU OS 1)"
)
"""How nearly all user agents of people begin; whatever follows, their system is known, so they are no servers."""
_STATED = re.compile(r"\b(Model|Manufacturer)=([^;)]+)")
_CONSOLE = re.compile(r"PlayStation|Xbox|Nintendo|\bPS[345] ")
_TV = re.compile(
    r"Smart-?TV|SMART-TV|Web0S|webOS\.TV|NetCast|Tizen.*\bTV\b|Apple ?TV|Google ?TV|Android ?TV|BRAVIA|HbbTV|CrKey"
    r"|\bAFT[A-Z]|\bRoku|VIDAA|Viera|PHILIPSTV|MiTV|\bTV Safari|SmartCast",
    re.IGNORECASE,
)
_WEARABLE = re.compile(r"Apple ?Watch|watchOS|SM-R\d{3}|Wear OS|Galaxy Watch|Watch\d+,\d", re.IGNORECASE)
_EMBEDDED = re.compile(r"Tesla/|QtCarBrowser|CarPlay|Android Automotive|OculusBrowser|VR\b.*Quest")
_TABLET = re.compile(
    r"iPad|Tablet(?! PC)|PlayBook|Kindle|\bKF[A-Z]{2,}|\bSM-[TX]\d|\bGT-P\d|\bTB-?[X\d]|\bNexus (?:7|9|10)\b"
    r"|Pixel Tablet|MediaPad|MatePad|\bPad \d|Lenovo YT|Xoom",
    re.IGNORECASE,
)
_MOBILE = re.compile(
    r"iPhone|iPod|Mobile|Mobi\b|Windows Phone|Opera Mini|BlackBerry|BB10|IEMobile|webOS/", re.IGNORECASE
)
_ZEROS = re.compile(r"(?:\.0)+$")
_BRANDS = re.compile(r'"([^"]+)";\s*v="([^"]*)"')

_BROWSERS = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome WebView",
    "Chromium": "Chromium",
    "HeadlessChrome": "Chrome Headless",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari WebView",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Edge Mobile": "Edge",
    "Opera Mobile": "Opera",
    "IE Mobile": "IE",
    "Brave Mobile": "Brave",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Samsung Internet": "Samsung Internet",
    "QQ Browser Mobile": "QQ Browser",
    "UC Browser Mobile": "UC Browser",
    "Other": "",
    "Android": "Android Browser",
}
_LIBRARIES = re.compile(
    r"\b(?:okhttp|curl|wget|libcurl|python|aiohttp|httpx|urllib|go-http-client|apache-httpclient|java|ruby|faraday"
    r"|guzzle\w*|php|perl|libwww|axios|node-fetch|undici|got|got \(|reqwest|hyper|restsharp|rest-client|postman\w*"
    r"|insomnia|httpie|dart|ktor|jetty|asynchttpclient|symfony|wordpress|deno|bun)\b",
    re.IGNORECASE,
)
_SYSTEMS = {"Mac OS X": "macOS", "Web0S": "webOS", "Other": "", "Chrome OS": "ChromeOS"}
_DESKTOP_SYSTEMS = frozenset(
    {"Windows", "macOS", "Linux", "ChromeOS", "Ubuntu", "Fedora", "Debian", "FreeBSD", "OpenBSD"}
)
_DESKTOP_WORDS = re.compile(r"X11|Windows NT|Macintosh|Linux x86_64|CrOS")
_PLATFORMS = {"Chrome OS": "ChromeOS", "Chromium OS": "ChromeOS"}
_GENERIC_BRANDS = re.compile(r"generic|spider", re.IGNORECASE)
_SPELLINGS = {"XiaoMi": "Xiaomi"}
_UNKNOWN_MODELS = frozenset({"K", "Smartphone", "Tablet", "Feature Phone", "Desktop", "iOS-Device"})
_HINTED_BROWSERS = {
    "Brave": "Brave",
    "Vivaldi": "Vivaldi",
    "DuckDuckGo": "DuckDuckGo",
    "Opera": "Opera",
    "YaBrowser": "Yandex Browser",
}

_OVERRIDES = (
    ("__os", "os"),
    ("__osVersion", "os_version"),
    ("__browser", "browser"),
    ("__browserVersion", "browser_version"),
    ("__device", "device"),
    ("__brand", "brand"),
    ("__model", "model"),
)


@cache
def _resolver() -> Any:
    if RegexResolver is None:
        raise RuntimeError("ua-parser-rs is not installed: without it a user agent takes a thousand times as long")
    return RegexResolver(load_lazy_builtins())


def parse_agent(user_agent: str, hints: Mapping[str, str] | None = None) -> Agent:
    """The device behind a request. ``hints``: request headers by lower-case name, see ``HINT_NAMES``. Never raises.

    A server is: no user agent; a single ``name/1.2.3``; or one whose system, browser, brand and model are all
    unknown (HTTP libraries are no browsers).
    """
    if hints:
        get = hints.get
        given = (get(HINT_NAMES[0]), get(HINT_NAMES[1]), get(HINT_NAMES[2]), get(HINT_NAMES[3]), get(HINT_NAMES[4]))
        if any(given):
            return _parse_hinted(user_agent[:MAX_USER_AGENT], given)
    return _parse(user_agent[:MAX_USER_AGENT])


def is_server(user_agent: str) -> bool:
    """Whether a program sent this and no browser or app: what `parse_agent` says, at a fraction of its cost."""
    if _PEOPLE.match(user_agent) is not None:
        return False
    if len(user_agent) <= LONGEST_REMEMBERED and user_agent.isascii():
        return _remembered_server(user_agent)
    return _is_server(user_agent[:MAX_USER_AGENT])


def override_agent(agent: Agent, properties: Mapping[str, Any]) -> Agent:
    """The agent with what the sender said of itself (``__os``, ``__model`` …); a server stays one."""
    if agent.is_server:
        return agent
    found: dict[str, Any] = {}
    for name, field in _OVERRIDES:
        if name in properties:
            value = properties[name]
            if isinstance(value, str) and (text := _clean(value)):
                found[field] = text
    return agent._replace(**found) if found else agent


def _clean(text: str) -> str:
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return text.strip()[:MAX_TEXT]


def _version(*parts: str | None) -> str:
    known = []
    for part in parts:
        if part is None:
            break
        known.append(part)
    return _clean(".".join(known))


def _is_server(user_agent: str) -> bool:
    return _parse.__wrapped__(user_agent).is_server


_remembered_server = lru_cache(maxsize=CACHE_ENTRIES // 4)(_is_server)


@lru_cache(maxsize=CACHE_ENTRIES)
def _parse(user_agent: str) -> Agent:
    user_agent = _clean_agent(user_agent)
    if not user_agent or _TOKEN.fullmatch(user_agent):
        return SERVER
    found: PartialResult = _resolver()(user_agent, Domain.ALL)
    os, os_version = _system(found)
    browser, browser_version = _browser(found, user_agent)
    brand, model = _hardware(found, user_agent)
    if not (os or browser or brand or model):
        return SERVER
    return Agent(os, os_version, browser, browser_version, _device_class(user_agent, os), brand, model)


def _clean_agent(user_agent: str) -> str:
    if user_agent.isascii() and user_agent.isprintable():
        return user_agent.strip()
    return "".join(c for c in user_agent if c.isprintable()).strip()


def _system(found: PartialResult) -> tuple[str, str]:
    if found.os is None:
        return "", ""
    family = found.os.family
    return _clean(_SYSTEMS.get(family, family)), _version(found.os.major, found.os.minor, found.os.patch)


def _browser(found: PartialResult, user_agent: str) -> tuple[str, str]:
    if found.user_agent is None:
        return "", ""
    family = found.user_agent.family
    if _LIBRARIES.search(family) or (found.device is not None and found.device.brand == "Spider"):
        return "", ""
    if found.os is not None and family == found.os.family and "AppleWebKit" not in user_agent:
        return "", ""
    browser = found.user_agent
    version = _version(browser.major, browser.minor, browser.patch, browser.patch_minor)
    return _clean(_BROWSERS.get(family, family)), version


def _hardware(found: PartialResult, user_agent: str) -> tuple[str, str]:
    if "Model=" in user_agent:
        stated = dict(_STATED.findall(user_agent))
        if "Model" in stated:
            return _clean(stated.get("Manufacturer", "")), _clean(stated["Model"])
    if found.device is None:
        return "", ""
    brand, model = found.device.brand or "", found.device.model or ""
    if model in _UNKNOWN_MODELS:
        model = ""
    if _GENERIC_BRANDS.match(brand):
        brand = _brand_of_model(model)
    return _clean(_SPELLINGS.get(brand, brand)), _clean(model)


def _brand_of_model(model: str) -> str:
    if model.startswith(("SM-", "GT-")):
        return "Samsung"
    return "Amazon" if model.startswith(("AFT", "KF")) else ""


def _device_class(user_agent: str, os: str) -> str:
    if _CONSOLE.search(user_agent):
        return "console"
    if _TV.search(user_agent):
        return "smarttv"
    if _WEARABLE.search(user_agent):
        return "wearable"
    if _EMBEDDED.search(user_agent):
        return "embedded"
    if _TABLET.search(user_agent):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    if os == "Android":
        # A browser on a tablet leaves out "Mobile"; an app's HTTP client never says it.
        return "tablet" if "AppleWebKit" in user_agent or "Gecko/" in user_agent else "mobile"
    if os in ("iOS", "iPadOS"):
        return "mobile"
    if os in _DESKTOP_SYSTEMS or _DESKTOP_WORDS.search(user_agent):
        return "desktop"
    return ""


@lru_cache(maxsize=CACHE_ENTRIES)
def _parse_hinted(user_agent: str, given: tuple[str | None, ...]) -> Agent:
    agent = _parse(user_agent)
    if agent.is_server:
        return agent
    mobile, model, platform, platform_version, _ = (_unquote(text) for text in given)
    changed: dict[str, Any] = {}
    if platform and not agent.os:
        changed["os"] = _PLATFORMS.get(platform, platform)
    os = changed.get("os", agent.os)
    if platform_version and platform and _PLATFORMS.get(platform, platform) == os:
        changed["os_version"] = _windows(platform_version) if os == "Windows" else _ZEROS.sub("", platform_version)
    if model:
        changed["model"] = model
        changed["brand"] = agent.brand or _brand_of_model(model)
        if agent.device in ("mobile", "tablet") and _TABLET.search(model):
            changed["device"] = "tablet"
    if mobile == "?1" and agent.device in ("", "desktop"):
        changed["device"] = "mobile"
    for name, version in _BRANDS.findall(given[4] or ""):
        if name in _HINTED_BROWSERS and agent.browser in ("Chrome", "Chromium"):
            changed["browser"] = _HINTED_BROWSERS[name]
            changed["browser_version"] = _clean(version)
    return agent._replace(**changed)


def _unquote(text: str | None) -> str:
    return _clean((text or "")[:256].strip().strip('"'))


def _windows(platform_version: str) -> str:
    """Windows' name for a UniversalApiContract version: 13 and later is 11, 1 to 12 is 10, 0.x are 7 and 8."""
    parts = platform_version.split(".")
    major = int(parts[0]) if parts[0].isdecimal() else 0
    if major >= 13:
        return "11"
    if major >= 1:
        return "10"
    return {"1": "7", "2": "8", "3": "8.1"}.get(parts[1] if len(parts) > 1 else "", "")
