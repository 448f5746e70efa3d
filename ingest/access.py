"""Who may send events: clients with a secret, and pages of allowed origins. Everything comes from control records."""

import hashlib
import hmac
import re
from typing import NamedTuple

from ingest.answers import Refusal
from ingest.protocols.protocol import SentEvent, Submission
from schemas.control import BotPolicy, ClientRecord, ClientType, ProjectRecord, RateLimit, SaltRecord
from schemas.origins import Origins
from schemas.raw_event import RawKind
from schemas.site_names import covering_names, site_names

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DAY_MS = 24 * 3_600_000
_LONGEST_SECRET = 256


class Project:
    """A project as the gateway needs it. Made anew when its record changes."""

    __slots__ = ("anonymize_ip", "drops_bots", "filters", "id", "max_age_ms", "origins", "record", "sites")

    def __init__(self, record: ProjectRecord) -> None:
        self.record = record
        self.id = record.id
        self.max_age_ms = record.retention_days * _DAY_MS
        self.origins = Origins(record.origins)
        self.sites = site_names(record.origins)
        self.filters = record.compiled_filters
        self.drops_bots = record.bot_policy is BotPolicy.DROP
        self.anonymize_ip = record.anonymize_ip


class Admission(NamedTuple):
    """A request let in. ``verified``: it brought the client's secret; ``limit``: of its client, or of its project if
    it came without one.
    """

    project: Project
    client_id: str
    verified: bool
    limit: RateLimit | None = None

    def check_claim(self, event: SentEvent) -> None:
        """Whether the sender may say what the event says of money, or take back a link.

        :raises Refusal: 401, final.
        """
        if event.kind is RawKind.UNLINK and not self.verified:
            raise Refusal(401, "unlink_needs_secret", "Links are taken back with a client secret only")
        if event.claims_revenue and not (self.verified or self.project.record.unsafe_revenue):
            message = "Revenue tracking is not allowed without a client secret"
            raise Refusal(401, "revenue_needs_secret", message)


class _Client:
    """A client's record, and the secret that was found to be its own. What type it has is asked for every request, and
    members of an enumeration are slow to find.
    """

    __slots__ = ("_proven", "is_root", "reads_only", "record")

    def __init__(self, record: ClientRecord) -> None:
        self.record = record
        self.is_root = record.type is ClientType.ROOT
        self.reads_only = record.type is ClientType.READ
        self._proven: bytes | None = None

    def has_secret(self, secret: str) -> bool:
        """Whether this is the client's secret; the time it takes does not depend on how nearly it is."""
        # Checked before anything is done with it: it comes from anybody, and may be as long as a body.
        if not 0 < len(secret) <= _LONGEST_SECRET:
            return False
        given = secret.encode("utf-8", "surrogatepass")
        if self._proven is not None:
            return hmac.compare_digest(given, self._proven)
        scheme, _, digest = (self.record.secret_hash or "").partition(":")
        if scheme != "sha256":
            return False
        matches = hmac.compare_digest(hashlib.sha256(given).hexdigest().encode(), digest.encode("utf-8", "replace"))
        if matches:
            self._proven = given
        return matches


class Access:
    """Projects, clients and salts in force, and the decisions that rest on them.

    One thread applies records while another decides; each record is replaced whole.
    """

    def __init__(self) -> None:
        self._projects: dict[str, Project] = {}
        self._clients: dict[str, _Client] = {}
        self._salts: dict[str, bytes] = {}
        self._sites: dict[str, tuple[Project, ...]] = {}

    def apply_project(self, key: str, record: ProjectRecord | None) -> None:
        """Take a project's record (None: it was deleted) into force."""
        before = self._projects.get(key)
        project = None if record is None else Project(record)
        if project is None:
            self._projects.pop(key, None)
        else:
            self._projects[key] = project
        now = project.sites if project is not None else frozenset()
        # Each name's projects are replaced at once: there is no moment without a name that stays.
        for name in now | (before.sites if before is not None else frozenset()):
            others = tuple(other for other in self._sites.get(name, ()) if other is not before)
            having = (*others, project) if project is not None and name in now else others
            if having:
                self._sites[name] = having
            else:
                del self._sites[name]

    def apply_client(self, key: str, record: ClientRecord | None) -> None:
        """Take a client's record (None: it was deleted) into force."""
        if record is None:
            self._clients.pop(key, None)
        else:
            self._clients[key] = _Client(record)

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

    def admit(self, submission: Submission, origin: str, project_id: str = "") -> Admission:
        """Let a request in: by its client's secret, by the origin of the page that sends it (the Origin header), or by
        what its protocol has in their place. ``project_id``: which project the sender means, if it says so: a root
        client has to, for any other it must be its own.

        :raises Refusal: 401, final: sending it again is in vain.
        """
        if submission.domain:
            return self._admit_domain(submission.domain, origin)
        client = self._clients.get(submission.client_id)
        if client is None:
            raise _unknown(submission.client_id)
        record = client.record
        project = self._project_of(client, project_id)
        verified = client.has_secret(submission.client_secret)
        known = verified
        if not verified and not client.is_root:
            known = project.origins.allow(origin) if origin else submission.key_suffices
        if not known:
            raise _unproven(record, submission.client_secret, origin)
        return Admission(project, record.id, verified, record.limit or project.record.client_limit)

    def _project_of(self, client: _Client, wanted: str) -> Project:
        if client.reads_only:
            raise Refusal(401, "client_may_not_write", "Client is not allowed to write")
        own = client.record.project_id
        if not client.is_root and wanted and wanted != own:
            raise Refusal(401, "wrong_project", "Client belongs to another project")
        project_id = wanted if client.is_root else own
        project = self._projects.get(project_id) if project_id else None
        # A root client of one organisation learns nothing of another's projects, not even that they are there.
        if project is None or project.record.organization_id != client.record.organization_id:
            raise Refusal(401, "no_project", "Client has no project")
        return project

    def _admit_domain(self, domain: str, origin: str) -> Admission:
        # Several may stand there with commas between them: the first that is known counts.
        for one in domain.split(","):
            project = self._project_of_domain(one)
            if project is None:
                continue
            if origin and not project.origins.allow(origin):
                raise Refusal(401, "origin_not_allowed", "Pages of this origin may not send for this domain")
            return Admission(project, "", False, project.record.client_limit)
        raise Refusal(401, "unknown_domain", "No project has this domain")

    def _project_of_domain(self, domain: str) -> Project | None:
        """The project whose origins name the domain most specifically."""
        having = [projects for name in covering_names(domain) if (projects := self._sites.get(name))]
        if not having:
            return None
        owners = {project.record.organization_id for projects in having for project in projects}
        # Not guessed: whoever is wrongly taken for the owner gets another's events.
        if len(owners) > 1 or len(having[0]) > 1:
            raise Refusal(401, "ambiguous_domain", "Several projects have this domain")
        return having[0][0]


def _unknown(client_id: str) -> Refusal:
    if not client_id:
        return Refusal(401, "missing_client_id", "Missing client id")
    if not _UUID.fullmatch(client_id):
        return Refusal(401, "malformed_client_id", "Client ID must be a valid UUIDv4")
    return Refusal(401, "unknown_client", "Invalid client id")


def _unproven(client: ClientRecord, secret: str, origin: str) -> Refusal:
    """Why a client is not believed to be itself: the reason says which of the two it is, OpenPanel's words do not."""
    if secret:
        reason = "invalid_secret"
    elif origin and client.type is not ClientType.ROOT:
        reason = "origin_not_allowed"
    else:
        reason = "missing_secret"
    return Refusal(401, reason, "Invalid cors or secret")
