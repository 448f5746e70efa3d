"""Who may send events: clients with a secret, and pages of allowed origins. Everything comes from control records."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from ingest.answers import Refusal
from ingest.protocols.protocol import Submission
from schemas.control import ClientRecord, ClientType, ProjectRecord, SaltRecord

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DAY_MS = 24 * 3_600_000
_REMEMBERED_ORIGINS = 1_000
_LONGEST_ORIGIN = 512
"""Longer ones are not remembered: no page has one, and whoever sends them could fill the memory."""
_LONGEST_SECRET = 256
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@:\\\s\[\]]+)(?::([0-9]{1,5}))?/?")
"""Scheme, host and port: an Origin header says nothing else, so what does is no origin."""
_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class _OriginPattern:
    """One allowed origin. ``scheme`` empty: http and https. ``port`` None: the scheme's own; ``*``: any."""

    scheme: str
    host: str
    port: str | None
    subdomains: bool


@dataclass(slots=True)
class Project:
    """A project as the gateway needs it. Made anew when its record changes."""

    id: str
    max_age_ms: int
    origins: tuple[str, ...]
    _patterns: list[_OriginPattern] = field(init=False)
    _known: dict[str, bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._patterns = [parsed for entry in self.origins if (parsed := _parse_pattern(entry)) is not None]

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin (the Origin header) may send without a secret."""
        if len(origin) > _LONGEST_ORIGIN:
            return _matches(origin, self._patterns)
        known = self._known.get(origin)
        if known is None:
            if len(self._known) >= _REMEMBERED_ORIGINS:
                self._known.clear()
            known = self._known[origin] = _matches(origin, self._patterns)
        return known

    def names(self, origin: str) -> bool:
        """Whether an entry other than the star for any origin allows this one."""
        return _matches(origin, [pattern for pattern in self._patterns if pattern.host])


class Admission(NamedTuple):
    """A request let in. ``verified``: it brought the client's secret."""

    project: Project
    client_id: str
    verified: bool


class Access:
    """Projects, clients and salts in force, and the decisions that rest on them.

    One thread applies records while another decides; each record is replaced whole.
    """

    def __init__(self) -> None:
        self._projects: dict[str, Project] = {}
        self._clients: dict[str, ClientRecord] = {}
        self._salts: dict[str, bytes] = {}

    def apply_project(self, key: str, record: ProjectRecord | None) -> None:
        """Take a project's record (None: it was deleted) into force."""
        if record is None:
            self._projects.pop(key, None)
        else:
            self._projects[key] = Project(record.id, record.retention_days * _DAY_MS, record.origins)

    def apply_client(self, key: str, record: ClientRecord | None) -> None:
        """Take a client's record (None: it was deleted) into force."""
        if record is None:
            self._clients.pop(key, None)
        else:
            self._clients[key] = record

    def apply_salt(self, key: str, record: SaltRecord | None) -> None:
        """Take a day's salt into force; None: it was destroyed."""
        if record is None:
            self._salts.pop(key, None)
        else:
            self._salts[key] = bytes.fromhex(record.salt)

    def salt(self, day: str) -> bytes | None:
        """The salt of a UTC day (``YYYY-MM-DD``)."""
        return self._salts.get(day)

    def newest_salt(self, day: str) -> bytes | None:
        """The salt of ``day``, or of the last day before it that has one: what to go on with while control is away."""
        exact = self._salts.get(day)
        if exact is not None:
            return exact
        earlier = [known for known in list(self._salts) if known < day]
        return self._salts.get(max(earlier)) if earlier else None

    def admit(self, submission: Submission, origin: str) -> Admission:
        """Let a request in: by its client's secret, by the origin of the page that sends it (the Origin header), or by
        what its protocol has in their place.

        :raises Refusal: 401, final: sending it again is in vain.
        """
        if submission.domain:
            return self._admit_domain(submission.domain)
        client = self._clients.get(submission.client_id)
        if client is None:
            raise _unknown(submission.client_id)
        if client.type is ClientType.READ:
            raise Refusal(401, "client_may_not_write", "Client is not allowed to write")
        project = self._projects.get(client.project_id) if client.project_id is not None else None
        if project is None:
            raise Refusal(401, "no_project", "Client has no project")
        # Checked before anything is remembered of it: the secret comes from anybody, and may be as long as a body.
        secret = submission.client_secret
        verified = 0 < len(secret) <= _LONGEST_SECRET and _secret_matches(secret, client.secret_hash)
        if submission.needs_secret and not verified:
            message = "Revenue tracking is not allowed without a client secret"
            raise Refusal(401, "revenue_needs_secret", message)
        known = verified or (project.allows(origin) if origin else submission.key_suffices)
        if not known:
            raise Refusal(401, "invalid_origin_or_secret", "Invalid cors or secret")
        return Admission(project, client.id, verified)

    def _admit_domain(self, domain: str) -> Admission:
        origin = f"https://{domain}"
        # A star for any origin names no domain: it would make every project that has one answer for all.
        named = [project for project in self._projects.values() if project.names(origin)]
        if not named:
            raise Refusal(401, "unknown_domain", "No project has this domain")
        return Admission(min(named, key=lambda project: project.id), "", False)


def _unknown(client_id: str) -> Refusal:
    if not client_id:
        return Refusal(401, "missing_client_id", "Missing client id")
    if not _UUID.fullmatch(client_id):
        return Refusal(401, "malformed_client_id", "Client ID must be a valid UUIDv4")
    return Refusal(401, "unknown_client", "Invalid client id")


@lru_cache(maxsize=4_096)
def _secret_matches(secret: str, secret_hash: str | None) -> bool:
    scheme, _, digest = (secret_hash or "").partition(":")
    if scheme != "sha256":
        return False
    given = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    return hmac.compare_digest(given.encode(), digest.encode("utf-8", "replace"))


def _parse_pattern(entry: str) -> _OriginPattern | None:
    text = entry.strip().lower()
    if text == "*":
        return _OriginPattern("", "", "*", subdomains=True)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    host, _, port = rest.rstrip("/").partition(":")
    if subdomains := host.startswith("*."):
        host = host[2:]
    # A star anywhere else means nothing, and must not come to mean everything.
    if not host or "*" in host or "/" in host:
        return None
    return _OriginPattern(scheme, host if subdomains else host.removeprefix("www."), port or None, subdomains)


def _matches(origin: str, patterns: list[_OriginPattern]) -> bool:
    if any(pattern.port == "*" and not pattern.host for pattern in patterns):
        return True
    parts = _ORIGIN.fullmatch(origin.lower())
    if parts is None:
        return False
    scheme, host, port = parts[1], parts[2], parts[3] or ""
    for pattern in patterns:
        if scheme != pattern.scheme if pattern.scheme else scheme not in _WEB:
            continue
        if pattern.port != "*" and port != (pattern.port or ""):
            continue
        if pattern.subdomains and host.endswith("." + pattern.host):
            return True
        if not pattern.subdomains and host.removeprefix("www.") == pattern.host:
            return True
    return False
