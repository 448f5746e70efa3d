"""Quotas: what gateways count together."""

from datetime import UTC, datetime

from ingest.quotas import LONGEST_WAIT_SECONDS, Quotas
from schemas.control import ProjectRecord, UsageRecord, control_key

SHOP = ProjectRecord(id="shop", organization_id="acme", name="", monthly_events=10)
MARCH = int(datetime(2026, 3, 15, tzinfo=UTC).timestamp() * 1_000)
DAY = 24 * 3_600_000


def tell(quotas: Quotas, gateway: str, events: int, month: int = 202603, project: str = "shop") -> None:
    record = UsageRecord(gateway=gateway, project_id=project, month=month, events=events)
    quotas.apply(control_key(record).removeprefix("usage/"), record)


def test_gateways_add_up_what_each_took() -> None:
    quotas = Quotas("me")
    quotas.count(SHOP, 4, MARCH)
    tell(quotas, "other", 3)
    tell(quotas, "third", 2)
    tell(quotas, "other", 4, project="blog")
    assert (quotas.used("shop", MARCH), quotas.wait(SHOP, MARCH)) == (9, 0)
    tell(quotas, "other", 5)
    assert (quotas.used("shop", MARCH), quotas.wait(SHOP, MARCH)) == (11, LONGEST_WAIT_SECONDS)
    quotas.apply("other/shop/202603", None)
    assert quotas.used("shop", MARCH) == 6


def test_its_own_words_are_no_news() -> None:
    quotas = Quotas("me")
    quotas.count(SHOP, 4, MARCH)
    tell(quotas, "me", 4)
    assert quotas.used("shop", MARCH) == 4


def test_a_new_month_begins_at_nothing() -> None:
    quotas = Quotas("me")
    tell(quotas, "other", 10)
    assert quotas.wait(SHOP, MARCH)
    last_second = int(datetime(2026, 3, 31, 23, 59, 58, tzinfo=UTC).timestamp() * 1_000)
    assert quotas.wait(SHOP, last_second) == 3
    assert quotas.wait(SHOP, last_second + 2_000) == 0
    december = int(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp() * 1_000)
    tell(quotas, "other", 10, 202612)
    assert quotas.wait(SHOP, december) == 2


def test_without_a_quota_nothing_is_counted() -> None:
    quotas, free = Quotas("me"), SHOP.model_copy(update={"monthly_events": 0})
    quotas.count(free, 4, MARCH)
    assert (quotas.changes(), quotas.wait(free, MARCH)) == ([], 0)


def test_only_changes_are_told_and_again_until_they_were() -> None:
    quotas = Quotas("me")
    quotas.count(SHOP, 4, MARCH)
    (told,) = quotas.changes()
    assert told == UsageRecord(gateway="me", project_id="shop", month=202603, events=4)
    assert quotas.changes() == [told]
    quotas.count(SHOP, 1, MARCH)
    quotas.written(told)
    (told,) = quotas.changes()
    assert told.events == 5
    quotas.written(told)
    assert quotas.changes() == []


def test_past_months_are_cleared_away() -> None:
    quotas = Quotas("me")
    quotas.count(SHOP, 1, MARCH - 60 * DAY)
    tell(quotas, "other", 1, 202601)
    tell(quotas, "other", 1, 202602)
    assert quotas.outdated(MARCH) == ["usage/other/shop/202601"]
    assert quotas.changes() == []
