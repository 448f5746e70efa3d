alter table `weir_local`.dead_letters_ingest on cluster `weir` modify query
select
    arrival.value as value,
    arrival.texts[indexOf(arrival.names, 'weir-stage')] as stage,
    arrival.texts[indexOf(arrival.names, 'weir-reason')] as reason,
    arrival.texts[indexOf(arrival.names, 'weir-detail')] as detail,
    arrival.texts[indexOf(arrival.names, 'weir-project')] as project_id,
    arrival.texts[indexOf(arrival.names, 'weir-topic')] as topic,
    toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-epoch')]) as epoch,
    toUInt16OrZero(arrival.texts[indexOf(arrival.names, 'weir-partition')]) as partition,
    toUInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-offset')]) as offset,
    toInt32OrDefault(arrival.texts[indexOf(arrival.names, 'weir-line')], -1::Int32) as line,
    fromUnixTimestamp64Milli(
        least(greatest(toInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-stamp')]), 0), 4102444800000),
        'UTC'
    ) as stamp,
    arrival.log_stamp as log_stamp,
    arrival.log_topic as log_topic,
    toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-log-epoch')]) as log_epoch,
    toUInt16(arrival.log_partition) as log_partition,
    arrival.log_offset as log_offset
from `weir_local`.dead_letters_arrivals as arrival
left join
(
    select
        log_topic,
        log_epoch,
        log_partition,
        toYYYYMM(log_stamp) as month,
        max(log_offset) as done,
        1 as known
    from `weir_local`.dead_letters
    group by log_topic, log_epoch, log_partition, month
) as progress
    on progress.log_topic = arrival.log_topic
    and progress.log_epoch = toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-log-epoch')])
    and progress.log_partition = toUInt16(arrival.log_partition)
    and progress.month = toYYYYMM(arrival.log_stamp)
where (progress.known = 0 or arrival.log_offset > progress.done)
    and not arrayExists(
        one -> position(arrival.value, one.2) > 0
            and (arrival.texts[indexOf(arrival.names, 'weir-project')] = one.1
                or (arrival.texts[indexOf(arrival.names, 'weir-project')] = '' and position(arrival.value, one.1) > 0))
            and if(
                arrival.texts[indexOf(arrival.names, 'weir-topic')] = 'weir.raw',
                (
                    toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-epoch')]),
                    toUInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-offset')])
                ) < (one.3, one.4[toUInt16OrZero(arrival.texts[indexOf(arrival.names, 'weir-partition')]) + 1]),
                toInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-stamp')]) < one.5
            ),
        if(
            if(
                arrival.texts[indexOf(arrival.names, 'weir-topic')] = 'weir.raw',
                (
                    toUInt32OrZero(arrival.texts[indexOf(arrival.names, 'weir-epoch')]),
                    toUInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-offset')])
                ) < (
                    (select max(raw_epoch) from `weir`.erased where kind = 'letter'),
                    (
                        select maxForEach(raw_ends) from `weir`.erased where kind = 'letter'
                    )[toUInt16OrZero(arrival.texts[indexOf(arrival.names, 'weir-partition')]) + 1]
                ),
                toInt64OrZero(arrival.texts[indexOf(arrival.names, 'weir-stamp')])
                    < (select max(toUnixTimestamp64Milli(erased_at)) from `weir`.erased where kind = 'letter')
            ),
            (
                select groupArray((project_id, id, raw_epoch, raw_ends, toUnixTimestamp64Milli(erased_at)))
                from `weir`.erased final
                where kind = 'letter' and notEmpty(raw_ends)
            ),
            []
        )
    );
