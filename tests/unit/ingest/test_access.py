"""Who may send."""

import hashlib
from uuid import uuid4

import pytest

from ingest.access import Access
from ingest.answers import Refusal
from ingest.protocols.protocol import Submission
from schemas.control import ClientRecord, ClientType, ProjectRecord, RateLimit, SaltRecord
from schemas.origins import Origins

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


def refusal_of(access: Access, client_id: str, secret: str = "", origin: str = "", *, revenue: bool = False) -> str:
    with pytest.raises(Refusal) as refused:
        access.admit(Submission(client_id, secret, [], needs_secret=revenue), origin)
    assert refused.value.status == 401
    return refused.value.reason


def test_a_secret_or_an_allowed_origin_lets_in(access: Access) -> None:
    by_secret = access.admit(Submission(CLIENT, SECRET, [], needs_secret=True), "")
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
    assert refusal_of(access, CLIENT) == "invalid_origin_or_secret"
    assert refusal_of(access, CLIENT, "sec_wrong") == "invalid_origin_or_secret"
    assert refusal_of(access, CLIENT, "\ud800") == "invalid_origin_or_secret"
    assert refusal_of(access, CLIENT, "", "https://b.example") == "invalid_origin_or_secret"
    assert refusal_of(access, OPEN, SECRET) == "invalid_origin_or_secret"


def test_a_secret_without_measure_is_not_even_looked_at(access: Access) -> None:
    long = "s" * 257
    access.apply_client(CLIENT, client(CLIENT, secret_hash="sha256:" + hashlib.sha256(long.encode()).hexdigest()))
    assert refusal_of(access, CLIENT, long) == "invalid_origin_or_secret"
    assert not access.admit(Submission(CLIENT, long, []), "https://a.example").verified
    access.apply_client(CLIENT, client(CLIENT, secret_hash="sha256:" + hashlib.sha256(long[:256].encode()).hexdigest()))
    assert access.admit(Submission(CLIENT, long[:256], []), "").verified


def test_an_origin_without_measure_is_judged_all_the_same() -> None:
    origin = "https://" + "m." * 1_000 + "shop.example"
    assert Origins(("*.shop.example",)).allow(origin)
    assert not Origins(("https://shop.example",)).allow(origin)


def test_revenue_is_believed_with_a_right_secret_only(access: Access) -> None:
    assert refusal_of(access, CLIENT, "", "https://a.example", revenue=True) == "revenue_needs_secret"
    assert refusal_of(access, CLIENT, "sec_wrong", "https://a.example", revenue=True) == "revenue_needs_secret"


def test_a_changed_record_counts_at_once(access: Access) -> None:
    access.apply_client(CLIENT, client(CLIENT, secret_hash="sha256:" + hashlib.sha256(b"new").hexdigest()))
    assert refusal_of(access, CLIENT, SECRET) == "invalid_origin_or_secret"
    assert access.admit(Submission(CLIENT, "new", []), "").verified
    access.apply_project("shop", ProjectRecord(id="shop", organization_id="acme", name="", origins=()))
    assert refusal_of(access, CLIENT, "", "https://a.example") == "invalid_origin_or_secret"
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
    ],
)
def test_origins_are_compared_by_host(entry: str, origin: str, allowed: bool) -> None:
    origins = Origins((entry,))
    assert origins.allow(origin) is allowed
    assert origins.allow(origin) is allowed


def test_a_star_needs_an_origin_all_the_same(access: Access) -> None:
    access.apply_project("shop", ProjectRecord(id="shop", organization_id="acme", name="", origins=("*",)))
    assert refusal_of(access, CLIENT) == "invalid_origin_or_secret"
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


def test_a_domain_stands_for_the_project_that_allows_its_pages(access: Access) -> None:
    assert access.admit(Submission("", "", [], domain="a.example"), "").project.id == "shop"
    access.apply_project("any", ProjectRecord(id="any", organization_id="acme", name="", origins=("*",)))
    with pytest.raises(Refusal) as refused:
        access.admit(Submission("", "", [], domain="b.example"), "")
    assert refused.value.reason == "unknown_domain"


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
    for submission in (Submission(ROOT, "", []), Submission(ROOT, "sec_wrong", [], key_suffices=True)):
        with pytest.raises(Refusal) as refused:
            two_organizations.admit(submission, "https://a.example", "blog")
        assert refused.value.reason == "invalid_origin_or_secret"


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
        for wrong in ("", SECRET + "x", SECRET[:-1], SECRET.upper()):
            assert refusal_of(access, CLIENT, wrong) == "invalid_origin_or_secret"


def test_a_clients_own_limit_goes_before_its_projects(access: Access) -> None:
    project = ProjectRecord(id="shop", organization_id="acme", name="", client_limit=RateLimit(per_second=5))
    access.apply_project("shop", project)
    assert access.admit(Submission(CLIENT, SECRET, []), "").limit == RateLimit(per_second=5)
    access.apply_client(CLIENT, client(CLIENT).model_copy(update={"limit": RateLimit(per_second=9, burst=1)}))
    assert access.admit(Submission(CLIENT, SECRET, []), "").limit == RateLimit(per_second=9, burst=1)


def test_a_domain_follows_the_projects_origins(access: Access) -> None:
    by_domain = Submission("", "", [], domain="b.example")
    with pytest.raises(Refusal):
        access.admit(by_domain, "")
    access.apply_project("b", ProjectRecord(id="b", organization_id="acme", name="", origins=("https://b.example",)))
    assert access.admit(by_domain, "").project.id == "b"
    access.apply_project("b", None)
    with pytest.raises(Refusal):
        access.admit(by_domain, "")
