"""What the new rows change: counts per table and column, and examples."""

from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ConfigDict

from sinks.shadow.plan import Plan
from sinks.shadow.tables import LEDGER, SESSIONS, SHADOWED, Shadowed, columns

EXAMPLES = 5
_PLACE = {"log_topic", "log_epoch", "log_partition", "log_offset"}
_LEFT_OUT = {
    # A row's place in its topic says nothing about it; a session's version and newest message count its changes.
    "sessions": {"version", "raw_epoch", "raw_partition", "raw_offset"},
    "dead_letters": {"log_stamp"},
    # They follow from the other tables.
    "ledger": {"row_tables", "row_months", "row_counts"},
}
_SETTINGS = {"max_bytes_before_external_group_by": 1_000_000_000}


class Change(BaseModel):
    """A row that is not what it was: its key as text, and per column what it was and what it is."""

    model_config = ConfigDict(frozen=True)

    key: str
    columns: dict[str, tuple[str, str]]


class TableDifference(BaseModel):
    """What changes in one table. ``only_old`` rows go, ``only_new`` come, ``changed`` ones change, by ``columns``."""

    model_config = ConfigDict(frozen=True)

    table: str
    same: int
    only_old: int
    only_new: int
    changed: int
    columns: dict[str, int]
    examples: tuple[Change, ...]
    gone: tuple[str, ...]
    """Keys of rows that go."""
    come: tuple[str, ...]
    """Keys of rows that come."""

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.only_old or self.only_new or self.changed)


def compare_shadows(client: Client, plan: Plan) -> list[TableDifference]:
    """Each table's old rows of the range against the new ones. Reads only."""
    return [_compare(client, plan, each) for each in SHADOWED]


def _compare(client: Client, plan: Plan, each: Shadowed) -> TableDifference:
    names = [name for name in columns(client, each.table) if name not in _PLACE | _LEFT_OUT.get(each.table, set())]
    both = _both(each, names)
    totals = client.query(
        f"""
        select countIf(olds > 0 and news > 0 and was = now), countIf(news = 0), countIf(olds = 0),
            countIf(olds > 0 and news > 0 and was != now),
            sumForEachIf(arrayMap((a, b) -> toUInt64(a != b), was, now), olds > 0 and news > 0)
        from ({both})
        """,
        plan.parameters(),
        settings=_SETTINGS,
    ).result_rows[0]
    same, gone, come, changed, by_column = totals
    found = {name: int(count) for name, count in zip(names, by_column or [0] * len(names), strict=True) if count}
    return TableDifference(
        table=each.table,
        same=same,
        only_old=gone,
        only_new=come,
        changed=changed,
        columns=dict(sorted(found.items(), key=lambda item: -item[1])),
        examples=tuple(_examples(client, plan, both, names)) if changed else (),
        gone=_keys(client, plan, both, "news = 0") if gone else (),
        come=_keys(client, plan, both, "olds = 0") if come else (),
    )


def _both(each: Shadowed, names: list[str]) -> str:
    """Per key: how many old and new rows, and what they are as texts."""
    key = ", ".join(each.key)
    texts = ", ".join(f"ifNull(toString({name}), '')" for name in names)
    old = f"select * from {each.table} where {each.old}"
    if each is SESSIONS:
        old += " and sign = 1 order by version desc limit 1 by project_id, session_id"
    new = f"select * from {each.shadow}"
    if each is LEDGER:
        # How offsets without a message are told depends on how they came.
        old, new = f"{old} and kind in ('message', 'tick')", f"{new} where kind in ('message', 'tick')"
    return f"""
        select concat({", ' ', ".join(f"toString({name})" for name in each.key)}) as key,
            sum(old) as olds, sum(1 - old) as news, arrayResize(anyIf(texts, old = 1), {len(names)}) as was,
            arrayResize(anyIf(texts, old = 0), {len(names)}) as now
        from
        (
            select {key}, [{texts}] as texts, 1 as old from ({old})
            union all
            select {key}, [{texts}] as texts, 0 as old from ({new})
        )
        group by {key}
    """


def _examples(client: Client, plan: Plan, both: str, names: list[str]) -> list[Change]:
    rows = client.query(
        f"select key, was, now from ({both}) where olds > 0 and news > 0 and was != now order by key limit {EXAMPLES}",
        plan.parameters(),
        settings=_SETTINGS,
    ).result_rows
    return [
        Change(
            key=key,
            columns={
                name: (before, after) for name, before, after in zip(names, was, now, strict=True) if before != after
            },
        )
        for key, was, now in rows
    ]


def _keys(client: Client, plan: Plan, both: str, condition: str) -> tuple[str, ...]:
    rows = client.query(
        f"select key from ({both}) where {condition} order by key limit {EXAMPLES}",
        plan.parameters(),
        settings=_SETTINGS,
    ).result_rows
    return tuple(str(key) for (key,) in rows)


def render(differences: list[TableDifference]) -> str:
    """The differences as plain text."""
    lines = []
    for each in differences:
        lines.append(
            f"{each.table}: {each.same:,} the same, {each.changed:,} changed, {each.only_old:,} only as it was, "
            f"{each.only_new:,} only now"
        )
        lines += [f"    {name}: {count:,} rows" for name, count in each.columns.items()]
        for change in each.examples:
            lines.append(f"    for example {change.key}")
            lines += [f"        {name}: {was[:80]!r} is {now[:80]!r}" for name, (was, now) in change.columns.items()]
        lines += [f"    only as it was: {key}" for key in each.gone]
        lines += [f"    only now: {key}" for key in each.come]
    return "\n".join(lines)
