-- Rows that the engine can read and a table cannot take. A table is parted by its times, and a block with more than a
-- hundred parts is refused: it would come again and again, and its partition of the topic stand still for ever. So a row
-- whose time nothing of Weir's writes (events are taken from 400 days back; here are five years) becomes a dead letter,
-- as does one that cannot be read at all; so does a session's row with a sign that is none, at which merges would fail.
-- The letter's text is made of the row's columns, as the engine keeps that of messages alone that it could not read.

-- pipe
create materialized view if not exists {{database}}.events_feed {{on_cluster}} to {{database}}.events_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    multiIf(
        length(_error) > 0, _error,
        created_at not between now('UTC') - interval 5 year and now('UTC') + interval 1 year,
            concat('created_at is ', toString(created_at), ', which is too far away to be stored'),
        ''
    ) as error,
    if(
        length(_error) = 0
            and created_at not between now('UTC') - interval 5 year and now('UTC') + interval 1 year,
        formatRowNoNewline('JSONEachRow', *),
        _raw_message
    ) as raw_message
from {{database}}.events_queue;

-- pipe
create materialized view if not exists {{database}}.sessions_feed {{on_cluster}} to {{database}}.sessions_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    multiIf(
        length(_error) > 0, _error,
        session_month not between toYYYYMM(now('UTC') - interval 5 year) and toYYYYMM(now('UTC') + interval 1 year),
            concat('session_month is ', toString(session_month), ', which is too far away to be stored'),
        sign not in (1, -1), concat('sign is ', toString(sign), ', which is neither 1 nor -1'),
        ''
    ) as error,
    if(
        length(_error) = 0 and (
            session_month not between toYYYYMM(now('UTC') - interval 5 year) and toYYYYMM(now('UTC') + interval 1 year)
            or sign not in (1, -1)
        ),
        formatRowNoNewline('JSONEachRow', *),
        _raw_message
    ) as raw_message
from {{database}}.sessions_queue;

-- pipe
create materialized view if not exists {{database}}.ledger_feed {{on_cluster}} to {{database}}.ledger_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    multiIf(
        length(_error) > 0, _error,
        stamp not between now('UTC') - interval 5 year and now('UTC') + interval 1 year,
            concat('stamp is ', toString(stamp), ', which is too far away to be stored'),
        ''
    ) as error,
    if(
        length(_error) = 0 and stamp not between now('UTC') - interval 5 year and now('UTC') + interval 1 year,
        formatRowNoNewline('JSONEachRow', *),
        _raw_message
    ) as raw_message
from {{database}}.ledger_queue;

-- Recordings are parted by the day and kept for 30.
-- pipe
create materialized view if not exists {{database}}.replay_chunks_feed {{on_cluster}}
    to {{database}}.replay_chunks_arrivals as
select
    *,
    ifNull(_timestamp_ms, toDateTime64(0, 3, 'UTC')) as log_stamp,
    _topic as log_topic,
    _partition as log_partition,
    _offset as log_offset,
    multiIf(
        length(_error) > 0, _error,
        stamp not between now('UTC') - interval 60 day and now('UTC') + interval 30 day,
            concat('stamp is ', toString(stamp), ', which is too far away to be stored'),
        ''
    ) as error,
    if(
        length(_error) = 0 and stamp not between now('UTC') - interval 60 day and now('UTC') + interval 30 day,
        formatRowNoNewline('JSONEachRow', *),
        _raw_message
    ) as raw_message
from {{database}}.replay_chunks_queue;
