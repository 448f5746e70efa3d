"""Plausible's protocol: ``POST /api/event``, spoken by its script; the page's domain takes the place of a key."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from ingest.answers import TEXT, Answer, Refusal, bad_request, refusal_headers
from ingest.json_body import read_json, read_object
from ingest.protocols.protocol import Protocol, Request, SentEvent, Submission, Verdict
from ingest.protocols.translation import PAGE_VIEW, event_name, id_text, revenue_event, text_of
from schemas.bots import Bot
from schemas.raw_event import RawKind

MAX_URL = 2_000
MAX_PROPS = 30
MAX_PROP_NAME = 300
MAX_PROP_VALUE = 2_000
_MAX_NAME = 120
_LONGEST_ENGAGEMENT_MS = 30 * 24 * 3_600_000
_MAX_DOMAINS = 10
_LONGEST_DOMAINS = 2_000
_FIELDS = {
    "missing_name": "name",
    "name_too_long": "name",
    "name_reserved": "name",
    "invalid_url": "url",
    "invalid_props": "props",
    "invalid_engagement": "engagement",
    "missing_domain": "domain",
    "unknown_domain": "domain",
    "ambiguous_domain": "domain",
    "origin_not_allowed": "domain",
}
"""What to blame for a refusal, by its reason."""
_OK = Answer(202, b"ok", TEXT)
_DROPPED = Answer(202, b"ok", TEXT, ((b"x-plausible-dropped", b"1"),))


def _parse(request: Request) -> Submission:
    body = read_object(request.body)
    name = event_name(id_text(_either(body, "n", "name")))
    if len(name) > _MAX_NAME:
        raise bad_request("name_too_long", f"A name has at most {_MAX_NAME} characters.")
    url = text_of(_either(body, "u", "url"))
    host = _host(url)
    properties = _props(_either(body, "p", "props", "m", "meta"))
    if name == "engagement":
        properties |= _engagement(body)
    if _either(body, "i", "interactive") is False:
        properties["interactive"] = False
    properties |= {"__path": _with_fragment(url) if _either(body, "h", "hashMode") in (1, True, "1") else url}
    if referrer := text_of(_either(body, "r", "referrer"), MAX_URL):
        properties["__referrer"] = referrer
    event = SentEvent(
        RawKind.TRACK,
        {"name": PAGE_VIEW if name == "pageview" else name, "properties": properties, "groups": []},
        sdk_name="plausible",
        sdk_version=id_text(body.get("v"))[:16],
    )
    events = [event]
    money = _parsed(_either(body, "$", "revenue"))
    if isinstance(money, dict) and money.get("currency"):
        money_event = revenue_event(event, money.get("amount"), money.get("currency"), "")
        if money_event is not None:
            # An event of its own: the sale is taken where the money is not believed.
            events.append(money_event._replace(claims_revenue=True))
    domain = _domains(body) or host
    if not domain:
        raise bad_request("missing_domain", "An event needs the domain of its site.")
    return Submission("", "", events, domain=domain)


def _either(body: dict[str, Any], *names: str) -> Any:
    """The first of these that is there: short and long names mean the same."""
    return next((value for name in names if (value := body.get(name)) is not None), None)


def _host(url: str) -> str:
    """The page's own domain; empty where its address names none."""
    scheme, separator, _ = url.partition("://")
    try:
        host = urlsplit(url).hostname if separator and len(url) <= MAX_URL else None
    except ValueError:
        separator = ""
    if not separator or not scheme or len(url) > MAX_URL:
        raise bad_request("invalid_url", f"An event needs the url of its page, of at most {MAX_URL} characters.")
    return _bare(host or "")


def _domains(body: dict[str, Any]) -> str:
    """One domain, or several with commas between them: the first that is known counts."""
    given = text_of(_either(body, "d", "domain"), _LONGEST_DOMAINS)
    return ",".join([bare for entry in given.split(",") if (bare := _bare(entry))][:_MAX_DOMAINS])


def _bare(domain: str) -> str:
    return domain.strip().lower().removeprefix("www.")


def _with_fragment(url: str) -> str:
    # Pages that are told apart by their fragment alone: it becomes a part of the path.
    address, mark, fragment = url.partition("#")
    if not fragment:
        return url
    path, question, query = address.partition("?")
    return f"{path}%23{fragment.replace('#', '%23')}{question}{query}" if mark else url


def _parsed(value: object) -> object:
    """A value that may also come as a JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return read_json(value.encode("utf-8", "replace"))
    except Refusal:
        return None


def _props(given: object) -> dict[str, Any]:
    if given is None:
        return {}
    props = _parsed(given)
    if not isinstance(props, dict):
        raise bad_request("invalid_props", "props must be an object.")
    if len(props) > MAX_PROPS:
        raise bad_request("invalid_props", f"An event has at most {MAX_PROPS} props.")
    for name, value in props.items():
        if isinstance(value, dict | list):
            raise bad_request("invalid_props", "props have texts, numbers and booleans as their values.")
        if len(name) > MAX_PROP_NAME or (isinstance(value, str) and len(value) > MAX_PROP_VALUE):
            raise bad_request(
                "invalid_props", f"Props have names of {MAX_PROP_NAME} and values of {MAX_PROP_VALUE} characters."
            )
    # Names with two underscores are ours, and theirs to set in other words only.
    return {name: value for name, value in props.items() if value is not None and not name.startswith("__")}


def _engagement(body: dict[str, Any]) -> dict[str, int]:
    depth, time = body.get("sd"), body.get("e")
    found = {}
    if isinstance(depth, int) and not isinstance(depth, bool) and 0 <= depth <= 100:
        found["scroll_depth"] = depth
    if isinstance(time, int) and not isinstance(time, bool) and 0 < time < _LONGEST_ENGAGEMENT_MS:
        found["engagement_time"] = time
    if not found:
        raise bad_request("invalid_engagement", "An engagement needs a scroll depth (sd) or a time (e).")
    return found


def _accepted(_: Request, verdicts: Sequence[Verdict]) -> Answer:
    refusal = next((verdict for verdict in verdicts if isinstance(verdict, Refusal)), None)
    if refusal is None:
        return _OK
    # Of a sale that is taken and whose money is not, the header says why.
    answer = refused(refusal) if refusal is verdicts[0] else _OK
    return answer._replace(headers=(*answer.headers, *refusal_headers(refusal)))


def refused(refusal: Refusal) -> Answer:
    """What the project's own rules leave out is dropped, as Plausible calls it; everything else is an error."""
    if refusal.reason.startswith("filtered_") or refusal.reason == "bot":
        return _DROPPED
    status = 400 if refusal.status == 401 else refusal.status
    field = _FIELDS.get(refusal.reason, "request")
    return Answer(status, orjson.dumps({"errors": {field: [refusal.message]}}))


def _dropped(_: Bot) -> Answer:
    return _DROPPED


EVENT = Protocol("plausible", _parse, _accepted, refused, partial=True, dropped=_dropped)

ROUTES: Mapping[str, Protocol] = {"/api/event": EVENT, "/plausible/api/event": EVENT}
