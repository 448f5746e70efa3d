"""What comes by a domain and not by a key: the project's limit holds for it, each project's for itself."""

import pytest

from ingest.access import Access
from ingest.answers import Refusal
from ingest.protocols.protocol import SentEvent, Submission
from ingest.quotas import Quotas
from ingest.rules import Rules
from schemas.control import ProjectRecord, RateLimit
from schemas.raw_event import RawKind

NOW = 1_772_625_600_000
EVENT = SentEvent(RawKind.TRACK, {"name": "a", "properties": {}})


@pytest.fixture
def rules() -> Rules:
    """Two sites that may send two events a second."""
    access = Access()
    for name in ("shop", "blog"):
        record = ProjectRecord(
            id=name,
            organization_id="o",
            name="",
            origins=(f"https://{name}.example", f"https://{name}.test"),
            client_limit=RateLimit(per_second=2, burst=2),
        )
        access.apply_project(name, record)
    return Rules(access, Quotas("me"), 1.0, lambda: 0.0)


def send(rules: Rules, domain: str) -> None:
    submission = Submission("", "", [EVENT], domain=domain)
    _, allowance = rules.admit(submission, {}, "81.2.69.142", "81.2.69.142", NOW)
    assert allowance is not None
    allowance.take(1)


def test_a_projects_limit_holds_for_all_that_comes_by_its_domains(rules: Rules) -> None:
    send(rules, "shop.example")
    send(rules, "shop.test")
    for domain in ("shop.example", "shop.test"):
        with pytest.raises(Refusal) as refused:
            send(rules, domain)
        assert (refused.value.status, refused.value.reason) == (429, "rate_limited")
    send(rules, "blog.example")
