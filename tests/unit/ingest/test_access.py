"""Who may send."""

import hashlib
from uuid import uuid4

import pytest

from ingest.access import Access
from ingest.answers import Refusal
from ingest.protocols.protocol import SentEvent, Submission
from schemas.control import ClientRecord, ClientType, ProjectRecord, RateLimit, SaltRecord
from schemas.origins import Origins
from schemas.raw_event import RawKind

SECRET = "sec_right"
CLIENT, READER, ROOT, ORPHAN, OPEN = (str(uuid4()) for _ in range(5))


def client(client_id: str, client_type: ClientType = ClientType.WRITE, **changes: str | None) -> ClientRecord:
    fields: dict[str, str | None] = {
        "project_id": "shop",
        "secret_hash": "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest(),
        **changes,
    }
    return ClientRecord.model_validate({"id": client_id, "organization_id": "acme", "type": client_type, **fields})


@pytest.fixture
def access() -> Access:
    made = Access()
    made.apply_project(
        "shop", ProjectRecord(id="shop", organization_id="acme", name="", origins=("https://a.example",))
    )
    made.apply_client(CLIENT, client(CLIENT))
    made.apply_client(READER, client(READER, ClientType.READ))
    made.apply_client(ROOT, client(ROOT, ClientType.ROOT, project_id=None))
    made.apply_client(ORPHAN, client(ORPHAN, project_id="gone"))
    made.apply_client(OPEN, client(OPEN, secret_hash=None))
    return made


def refusal_of(access: Access, client_id: str, secret: str = "", origin: str = "") -> str:
    with pytest.raises(Refusal) as refused:
        access.admit(Submission(client_id, secret, []), origin)
    assert refused.value.status == 401
    return refused.value.reason


def test_a_secret_or_an_allowed_origin_lets_in(access: Access) -> None:
    by_secret = access.admit(Submission(CLIENT, SECRET, []), "")
    assert (by_secret.project.id, by_secret.verified) == ("shop", True)
    by_origin = access.admit(Submission(CLIENT, "", []), "https://a.example")
    assert (by_origin.project.id, by_origin.verified) == ("shop", False)


def test_everybody_else_stays_out_for_good(access: Access) -> None:
    assert refusal_of(access, "") == "missing_client_id"
    assert refusal_of(access, "me", SECRET) == "malformed_client_id"
    assert refusal_of(access, CLIENT.upper(), SECRET) == "malformed_client_id"
    assert refusal_of(access, str(uuid4()), SECRET) == "unknown_client"
    assert refusal_of(access, READER, SECRET, "https://a.example") == "client_may_not_write"
    assert refusal_of(access, ROOT, SECRET) == "no_project"
    assert refusal_of(access, ORPHAN, SECRET) == "no_project"
    assert refusal_of(access, CLIENT) == "missing_secret"
    assert refusal_of(access, CLIENT, "sec_wrong") == "invalid_secret"
    assert refusal_of(access, CLIENT, "\ud800") == "invalid_secret"
    assert refusal_of(access, CLIENT, "", "https://b.example") == "origin_not_allowed"
    assert refusal_of(access, OPEN, SECRET) == "invalid_secret"


def test_a_secret_without_measure_is_not_even_looked_at(access: Access) -> None:
    long = "s" * 257
    access.apply_client(CLIENT, client(CLIENT, secret_hash="sha256:" + hashlib.sha256(long.encode()).hexdigest()))
    assert refusal_of(access, CLIENT, long) == "invalid_secret"
    assert not access.admit(Submission(CLIENT, long, []), "https://a.example").verified
    access.apply_client(CLIENT, client(CLIENT, secret_hash="sha256:" + hashlib.sha256(long[:256].encode()).hexdigest()))
    assert access.admit(Submission(CLIENT, long[:256], []), "").verified


def test_an_origin_without_measure_is_none() -> None:
    origin = "https://" + "m." * 1_000 + "shop.example"
    assert not Origins(("*.shop.example",)).allow(origin)
    assert not Origins(("*.shop.example",)).allow("https://" + "m" * 64 + ".shop.example")
    assert Origins(("*",)).allow(origin)


def test_revenue_is_believed_with_a_right_secret_or_where_the_project_says_so(access: Access) -> None:
    claim = SentEvent(RawKind.TRACK, {}, claims_revenue=True)
    access.admit(Submission(CLIENT, SECRET, []), "").check_claim(claim)
    for secret in ("", "sec_wrong"):
        admission = access.admit(Submission(CLIENT, secret, []), "https://a.example")
        admission.check_claim(SentEvent(RawKind.TRACK, {}))
        with pytest.raises(Refusal) as refused:
            admission.check_claim(claim)
        assert (refused.value.status, refused.value.reason) == (401, "revenue_needs_secret")
    project = ProjectRecord(
        id="shop", organization_id="acme", name="", origins=("https://a.example",), unsafe_revenue=True
    )
    access.apply_project("shop", project)
    access.admit(Submission(CLIENT, "", []), "https://a.example").check_claim(claim)


def test_a_changed_record_counts_at_once(access: Access) -> None:
    access.apply_client(CLIENT, client(CLIENT, secret_hash="sha256:" + hashlib.sha256(b"new").hexdigest()))
    assert refusal_of(access, CLIENT, SECRET) == "invalid_secret"
    assert access.admit(Submission(CLIENT, "new", []), "").verified
    access.apply_project("shop", ProjectRecord(id="shop", organization_id="acme", name="", origins=()))
    assert refusal_of(access, CLIENT, "", "https://a.example") == "origin_not_allowed"
    access.apply_client(CLIENT, None)
    assert refusal_of(access, CLIENT, "new") == "unknown_client"
    access.apply_project("shop", None)
    assert refusal_of(access, OPEN, "", "https://a.example") == "no_project"


@pytest.mark.parametrize(
    ("entry", "origin", "allowed"),
    [
        ("https://shop.example", "https://shop.example", True),
        ("https://shop.example/", "https://shop.example", True),
        ("https://Shop.example", "https://SHOP.example", True),
        ("https://shop.example", "https://www.shop.example", True),
        ("https://www.shop.example", "https://shop.example", True),
        ("https://shop.example", "http://shop.example", False),
        ("https://shop.example", "https://shop.example:8443", False),
        ("https://shop.example", "https://shop.example.evil.test", False),
        ("https://shop.example", "https://evil-shop.example", False),
        ("https://shop.example", "https://m.shop.example", False),
        ("shop.example", "https://shop.example", True),
        ("shop.example", "http://shop.example", True),
        ("http://localhost:3000", "http://localhost:3000", True),
        ("http://localhost:3000", "http://localhost:3001", False),
        ("http://localhost:*", "http://localhost:3001", True),
        ("*.shop.example", "https://m.shop.example", True),
        ("*.shop.example", "https://a.b.shop.example", True),
        ("https://*.shop.example", "https://m.shop.example", True),
        ("https://*.shop.example", "http://m.shop.example", False),
        ("*.shop.example", "https://shop.example", False),
        ("*.shop.example", "https://evilshop.example", False),
        ("*.shop.example", "https://m.shop.example.evil.test", False),
        ("*.shop.example", "https://evil.test/m.shop.example", False),
        ("*.shop.example", "https://evil.test?.shop.example", False),
        ("*.shop.example", "https://mxshop.example", False),
        ("shop.*", "https://shop.example", False),
        ("*.*", "https://shop.example", False),
        ("*", "https://anything.example", True),
        ("*", "null", True),
        ("https://shop.example", "null", False),
        ("https://shop.example", "https://[", False),
        ("https://shop.example", "https://shop.example:x", False),
        ("https://shop.example", "https://shop.example:0", False),
        ("https://shop.example", "https://evil.test@shop.example", False),
        ("https://shop.example", "https://@shop.example", False),
        ("https://shop.example", "https://shop.example#evil", False),
        ("https://shop.example", "https://shop.example?evil", False),
        ("https://shop.example", "https://shop.example/evil", False),
        ("https://shop.example", "https://evil.test\\@shop.example", False),
        ("https://shop.example", "https://shop.example\n", False),
        ("https://shop.example", "//shop.example", False),
        ("shop.example", "foo://shop.example", False),
        ("*.shop.example", "foo://m.shop.example", False),
        ("foo://shop.example", "foo://shop.example", True),
        ("", "https://shop.example", False),
        ("[::1", "https://shop.example", False),
        ("*.shop.example", "https://evil.com#.shop.example", False),
        ("*.shop.example", "https://a..shop.example", False),
        ("*.shop.example", "https://.shop.example", False),
        ("*.shop.example", "https://a.shop.example.", False),
        ("*.shop.example", "https://a.shop.example/", False),
        ("*.shop.example", "https://a.shop.example:", False),
        ("*.shop.example", "https://a.shop.example:8080", False),
        ("*.shop.example:8080", "https://a.shop.example:8080", True),
        ("*.shop.example", "https://user@a.shop.example", False),
        ("*.shop.example", "https://user:pass@a.shop.example", False),
        ("*.shop.example", "https://a.shop.example https://evil.test", False),
        ("*.shop.example", "HTTPS://A.Shop.Example", True),
        ("*.shop.example", "https://a_b.shop.example", True),
        ("*.shop.example", "https://\xe9.shop.example", False),
        ("*.shop.example", "https://a%2e.shop.example", False),
        ("*.shop.example", "https://evil.test\x00.shop.example", False),
        ("*.shop.example", "null", False),
        ("*.0.0.1", "http://127.0.0.1", False),
        ("127.0.0.1", "http://127.0.0.1", True),
        ("127.0.0.1", "http://127.0.1", False),
        ("http://[::1]:3000", "http://[::1]:3000", True),
        ("http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000", True),
        ("http://[::1]", "http://[::2]", False),
        ("http://[::1]", "http://[::1%25lo]", False),
        ("*.shop.example", "http://[::1.shop.example]", False),
        ("https://shop.example", "https://shop.example:443", True),
        ("https://shop.example:443", "https://shop.example", True),
        ("http://shop.example:443", "http://shop.example", False),
        ("https://shop.example:*", "https://shop.example:65535", True),
        ("https://shop.example:*", "https://shop.example:65536", False),
        ("https://shop.example:*", "https://shop.example:080", False),
        ("https://b\xfccher.example", "https://xn--bcher-kva.example", True),
        ("https://xn--bcher-kva.example", "https://b\xfccher.example", False),
        ("https://stra\xdfe.example", "https://strasse.example", False),
        ("*", "https://evil.com#", True),
    ],
    ids=ascii,
)
def test_origins_are_compared_by_host(entry: str, origin: str, allowed: bool) -> None:
    origins = Origins((entry,))
    assert origins.allow(origin) is allowed
    assert origins.allow(origin) is allowed


def test_a_star_needs_an_origin_all_the_same(access: Access) -> None:
    access.apply_project("shop", ProjectRecord(id="shop", organization_id="acme", name="", origins=("*",)))
    assert refusal_of(access, CLIENT) == "missing_secret"
    assert not access.admit(Submission(CLIENT, "", []), "null").verified


def test_the_newest_salt_is_todays_or_the_last_before() -> None:
    access = Access()
    assert access.newest_salt("2026-03-02") is None
    access.apply_salt("2026-03-03", SaltRecord(day="2026-03-03", salt="33" * 32))
    assert access.newest_salt("2026-03-02") is None
    access.apply_salt("2026-03-01", SaltRecord(day="2026-03-01", salt="11" * 32))
    assert access.newest_salt("2026-03-02") == b"\x11" * 32
    access.apply_salt("2026-03-02", SaltRecord(day="2026-03-02", salt="22" * 32))
    assert access.newest_salt("2026-03-02") == b"\x22" * 32
    access.apply_salt("2026-03-02", None)
    assert access.salt("2026-03-02") is None


def test_a_write_key_alone_is_enough_where_the_protocol_says_so_but_not_for_pages_of_others(access: Access) -> None:
    by_key = Submission(CLIENT, "", [], key_suffices=True)
    assert not access.admit(by_key, "").verified
    assert access.admit(by_key, "https://a.example").project.id == "shop"
    with pytest.raises(Refusal):
        access.admit(by_key, "https://b.example")


def by_domain(access: Access, domain: str, origin: str = "") -> str:
    """The project of a domain, or why there is none."""
    try:
        return access.admit(Submission("", "", [], domain=domain), origin).project.id
    except Refusal as refusal:
        return f"{'' if refusal.status == 401 else refusal.status}{refusal.reason}"


def site(access: Access, project_id: str, *origins: str, organization: str = "acme") -> None:
    record = ProjectRecord(id=project_id, organization_id=organization, name="", origins=origins)
    access.apply_project(project_id, record)


def test_a_domain_stands_for_the_project_that_names_it_most_specifically(access: Access) -> None:
    site(access, "all", "*.example.org")
    site(access, "shops", "https://*.shop.example.org:8443")
    site(access, "shop", "http://www.my.shop.example.org")
    assert by_domain(access, "my.shop.example.org") == "shop"
    assert by_domain(access, "www.my.shop.example.org") == "shop"
    assert by_domain(access, "MY.shop.example.org") == "shop"
    assert by_domain(access, "b.shop.example.org") == by_domain(access, "a.b.shop.example.org") == "shops"
    assert by_domain(access, "shop.example.org") == by_domain(access, "x.example.org") == "all"
    for nobodys in ("example.org", "evil.test", "shop.example.org.evil.test", "a..shop.example.org", "org", "."):
        assert by_domain(access, nobodys) == "unknown_domain"


@pytest.mark.parametrize(
    "entry", ["*", "*.com", "*.co.uk", "*.github.io", "http://localhost:*", "127.0.0.1", "app://a.b"]
)
def test_what_nobody_can_have_registered_names_no_domain(access: Access, entry: str) -> None:
    site(access, "grabs", entry)
    for domain in ("shop.com", "shop.co.uk", "shop.github.io", "localhost", "127.0.0.1", "a.b"):
        assert by_domain(access, domain) == "unknown_domain"


def test_a_domain_that_several_have_is_nobodys(access: Access) -> None:
    site(access, "a", "https://shop.example")
    site(access, "b", "https://shop.example", "*.blog.example")
    assert by_domain(access, "shop.example") == "ambiguous_domain"
    site(access, "b", "*.blog.example")
    assert by_domain(access, "shop.example") == "a"
    # What control data never says, and what would take another's events if it did.
    site(access, "stranger", "https://my.blog.example", organization="others")
    assert by_domain(access, "my.blog.example") == "ambiguous_domain"
    assert by_domain(access, "your.blog.example") == "b"
    access.apply_project("b", None)
    assert by_domain(access, "my.blog.example") == "stranger"


def test_pages_of_another_origin_do_not_send_for_a_domain(access: Access) -> None:
    assert by_domain(access, "a.example", "https://a.example") == "shop"
    for origin in ("https://evil.test", "null", "https://a.example:8080"):
        assert by_domain(access, "a.example", origin) == "origin_not_allowed"


def test_who_sends_by_domain_has_the_projects_limit(access: Access) -> None:
    limit = RateLimit(per_second=5)
    project = ProjectRecord(
        id="shop", organization_id="acme", name="", origins=("https://a.example",), client_limit=limit
    )
    access.apply_project("shop", project)
    assert access.admit(Submission("", "", [], domain="a.example"), "").limit == limit


@pytest.fixture
def two_organizations(access: Access) -> Access:
    access.apply_project("theirs", ProjectRecord(id="theirs", organization_id="others", name="", origins=("*",)))
    access.apply_project("blog", ProjectRecord(id="blog", organization_id="acme", name="", origins=("*",)))
    return access


def test_a_root_client_writes_to_the_project_it_names_in_its_own_organisation(two_organizations: Access) -> None:
    by_secret = Submission(ROOT, SECRET, [])
    for project_id in ("shop", "blog"):
        admission = two_organizations.admit(by_secret, "", project_id)
        assert (admission.project.id, admission.verified) == (project_id, True)
    for project_id in ("", "theirs", "gone"):
        with pytest.raises(Refusal) as refused:
            two_organizations.admit(by_secret, "", project_id)
        assert (refused.value.status, refused.value.reason) == (401, "no_project")


def test_a_root_clients_id_is_no_key(two_organizations: Access) -> None:
    for submission, reason in (
        (Submission(ROOT, "", []), "missing_secret"),
        (Submission(ROOT, "sec_wrong", [], key_suffices=True), "invalid_secret"),
    ):
        with pytest.raises(Refusal) as refused:
            two_organizations.admit(submission, "https://a.example", "blog")
        assert refused.value.reason == reason


def test_a_client_writes_to_no_project_but_its_own(two_organizations: Access) -> None:
    assert two_organizations.admit(Submission(CLIENT, SECRET, []), "", "shop").project.id == "shop"
    for project_id in ("blog", "theirs"):
        with pytest.raises(Refusal) as refused:
            two_organizations.admit(Submission(CLIENT, SECRET, []), "", project_id)
        assert (refused.value.status, refused.value.reason) == (401, "wrong_project")
    # A record that would put a client into somebody else's project lets nobody in.
    two_organizations.apply_client(CLIENT, client(CLIENT, project_id="theirs"))
    assert refusal_of(two_organizations, CLIENT, SECRET) == "no_project"


def test_a_right_secret_that_was_seen_before_makes_no_wrong_one_right(access: Access) -> None:
    for _ in range(2):
        assert access.admit(Submission(CLIENT, SECRET, []), "").verified
        for wrong in (SECRET + "x", SECRET[:-1], SECRET.upper()):
            assert refusal_of(access, CLIENT, wrong) == "invalid_secret"
        assert refusal_of(access, CLIENT, "") == "missing_secret"


def test_a_clients_own_limit_goes_before_its_projects(access: Access) -> None:
    project = ProjectRecord(id="shop", organization_id="acme", name="", client_limit=RateLimit(per_second=5))
    access.apply_project("shop", project)
    assert access.admit(Submission(CLIENT, SECRET, []), "").limit == RateLimit(per_second=5)
    access.apply_client(CLIENT, client(CLIENT).model_copy(update={"limit": RateLimit(per_second=9, burst=1)}))
    assert access.admit(Submission(CLIENT, SECRET, []), "").limit == RateLimit(per_second=9, burst=1)


def test_a_domain_follows_the_projects_origins(access: Access) -> None:
    assert by_domain(access, "b.example") == "unknown_domain"
    site(access, "b", "https://b.example")
    assert by_domain(access, "b.example") == "b"
    access.apply_project("b", None)
    assert by_domain(access, "b.example") == "unknown_domain"
