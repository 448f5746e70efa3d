-- The events of one day. Everything follows by hashes from a session's number, so a day comes out the same each time.
-- Parameters: the day (0 is the first), its first session's number, how many sessions, how many visitors in all, how
-- many days, the first day's midnight in milliseconds, and how many milliseconds lie between two events on average.
with
    ['US', 'DE', 'GB', 'FR', 'US', 'IN', 'BR', 'JP', 'SE', 'CA', 'ES', 'IT', 'NL', 'PL', 'AU', 'DE', 'CH', 'AT', 'MX', 'NO', 'DK', 'PT', 'KR', 'TR'] as countries,
    ['California', 'Berlin', 'England', 'Ile-de-France', 'New York', 'Maharashtra', 'Sao Paulo', 'Tokyo', 'Stockholm', 'Ontario', 'Madrid', 'Lombardy', 'North Holland', 'Mazovia', 'New South Wales', 'Bavaria', 'Bern', 'Vienna', 'Mexico City', 'Oslo', 'Capital Region', 'Lisbon', 'Seoul', 'Istanbul'] as regions,
    ['Windows', 'iOS', 'Android', 'Mac OS X', 'Mac OS X', 'Windows', 'Windows', 'Android', 'iOS', 'Linux', 'iOS', 'Android'] as systems,
    ['10', '18.1', '14', '10.15.7', '10.15.7', '10', '10', '13', '17.7', '', '18.1', '14'] as system_versions,
    ['Chrome', 'Safari', 'Chrome', 'Chrome', 'Safari', 'Edge', 'Firefox', 'Chrome', 'Safari', 'Firefox', 'Safari', 'Samsung Internet'] as browsers,
    ['131.0', '18.1', '131.0', '131.0', '18.1', '131.0', '133.0', '130.0', '17.7', '133.0', '18.1', '27.0'] as browser_versions,
    ['desktop', 'mobile', 'mobile', 'desktop', 'desktop', 'desktop', 'desktop', 'mobile', 'mobile', 'desktop', 'tablet', 'mobile'] as devices,
    ['', 'Apple', 'Samsung', 'Apple', 'Apple', '', '', 'Xiaomi', 'Apple', '', 'Apple', 'Samsung'] as brands,
    ['', 'iPhone', 'SM-S918B', 'Mac', 'Mac', '', '', '2201117TG', 'iPhone', '', 'iPad', 'SM-A546B'] as models,
    ['https://www.google.com/', 'https://www.facebook.com/', 'https://www.bing.com/', 'https://news.ycombinator.com/', 'https://chatgpt.com/', 'https://t.co/', 'https://www.reddit.com/', 'https://duckduckgo.com/', 'https://mail.google.com/', 'https://www.linkedin.com/', 'https://www.youtube.com/', 'https://partner.example/'] as referrers,
    ['Google', 'Facebook', 'Bing', 'Hacker News', 'ChatGPT', 'Twitter', 'Reddit', 'DuckDuckGo', 'Gmail', 'LinkedIn', 'YouTube', ''] as referrer_names,
    ['search', 'social', 'search', 'social', 'ai', 'social', 'social', 'search', 'email', 'social', 'social', ''] as referrer_types,
    ['click', 'add_to_cart', 'search', 'checkout', 'purchase', 'video_play', 'sign_up', 'share', 'download', 'filter', 'wishlist_add', 'coupon_apply', 'form_submit', 'scroll_end', 'review_open', 'newsletter', 'chat_open', 'login'] as customs,
    ['1920x1080', '390x844', '1440x900', '412x915', '1536x864', '393x852', '2560x1440', '360x800', '820x1180'] as screens,
    ['en-US', 'de-DE', 'en-GB', 'fr-FR', 'es-ES', 'pt-BR', 'ja-JP', 'sv-SE', 'it-IT', 'nl-NL', 'pl-PL'] as languages,
    ['pro', 'basic', 'team', 'trial'] as plans,
    ['shoes', 'books', 'garden', 'music', 'kitchen', 'toys', 'sports', 'travel'] as categories,
    -- A hash as a number from 0 to 1, and as a place in a list whose first entries come most often.
    (hash) -> hash / 18446744073709551616. as share,
    (at, list) -> transform(at, arrayEnumerate(list), list, '') as pick,
    (hash, length) -> toUInt32(pow(length, hash / 18446744073709551616.)) as place
select
    project_id,
    -- Version 7: the time, then chance; those that Weir makes itself have chance alone.
    reinterpretAsUUID(
        bitOr(
            bitShiftLeft(toUInt128(bitOr(bitShiftRight(event_hash, 2), 9223372036854775808)), 64),
            toUInt128(
                if(
                    synthesized,
                    bitOr(bitAnd(cityHash64(event_hash, 'id'), 18446744073709490175), 32768),
                    bitOr(bitShiftLeft(toUInt64(time), 16), 28672 + event_hash % 4096)
                )
            )
        )
    ) as event_id,
    name,
    lower(hex(sipHash128(visitor))) as device_id,
    substring(base64URLEncode(sipHash128(session, 'session')), 1, 22) as session_id,
    if(visitor_hash % 64 < 8, concat('user-', toString(visitor)), '') as profile_id,
    fromUnixTimestamp64Milli(toInt64(time), 'UTC') as created_at,
    fromUnixTimestamp64Milli(toInt64(time + 40 + event_hash % 400), 'UTC') as received_at,
    multiIf(
        page_hash % 10 < 2, '/',
        page_hash % 10 < 4, concat('/category/', shelf),
        page_hash % 10 < 9, concat('/product/', toString(page)),
        concat('/articles/', toString(page), '/how-to-choose-', category)
    ) as path,
    concat('https://', project_id, '.example') as origin,
    multiIf(
        page_hash % 10 < 2, 'Welcome',
        page_hash % 10 < 4, concat('All of ', shelf),
        page_hash % 10 < 9, concat('Product ', toString(page), ' – ', category),
        concat('How to choose ', category)
    ) as title,
    pick(place(cityHash64(visitor_hash, 'language'), 11), languages) as language,
    pick(place(cityHash64(visitor_hash, 'screen'), 9), screens) as screen,
    'web' as sdk_name,
    if(visitor_hash % 5 = 0, '1.2.0', '1.3.1') as sdk_version,
    concat(toString(visitor_hash % 190 + 11), '.', toString(intDiv(visitor_hash, 256) % 250), '.', toString(intDiv(visitor_hash, 65536) % 250), '.0') as ip,
    '' as bot,
    if(step > steps, toInt64(length_ms), 0) as duration_ms,
    if(name = 'purchase', toInt64(500 + event_hash % 20000), 0) as revenue,
    if(name = 'purchase', 'EUR', '') as currency,
    if(source > 12, '', pick(source, referrers)) as referrer,
    if(source > 12, '', pick(source, referrer_names)) as referrer_name,
    if(source > 12, '', pick(source, referrer_types)) as referrer_type,
    if(campaign > 0, pick(campaign % 4 + 1, ['newsletter', 'google', 'facebook', 'partner']), '') as utm_source,
    if(campaign > 0, pick(campaign % 4 + 1, ['email', 'cpc', 'social', 'referral']), '') as utm_medium,
    if(campaign > 0, concat('campaign-', toString(campaign)), '') as utm_campaign,
    if(campaign > 20, concat('term ', toString(campaign)), '') as utm_term,
    if(campaign > 20, 'banner', '') as utm_content,
    pick(town, countries) as country,
    pick(town, regions) as region,
    concat(pick(town, regions), pick(visitor_hash % 4 + 1, ['', ' North', ' South', ' Old Town'])) as city,
    toNullable(toFloat32(town * 7.25 - 90 + visitor_hash % 4 / 8)) as longitude,
    toNullable(toFloat32(30 + town + visitor_hash % 4 / 8)) as latitude,
    pick(agent, systems) as os,
    pick(agent, system_versions) as os_version,
    pick(agent, browsers) as browser,
    pick(agent, browser_versions) as browser_version,
    pick(agent, devices) as device,
    pick(agent, brands) as brand,
    pick(agent, models) as model,
    emptyArrayString() as groups,
    if(synthesized, '{}', concat(
        '{"plan":"', pick(place(visitor_hash, 4), plans),
        if(name = 'screen_view',
            concat('","section":"', category, '","scroll":', toString(event_hash % 101)),
            concat('","product":"p-', toString(page), '","price":', toString(page % 400 + 0.95), ',"quantity":', toString(event_hash % 3 + 1))),
        ',"signed_in":', if(visitor_hash % 64 < 8, 'true', 'false'),
        if(event_hash % 8 = 0, concat(',"experiment":{"', pick(event_hash % 5 + 1, categories), '":"', if(visitor_hash % 2, 'a', 'b'), '"}'), ''),
        '}'
    )) as properties,
    synthesized,
    toUInt32(1) as raw_epoch,
    raw_partition,
    raw_offset,
    toUInt32(0) as raw_line,
    'weir.events' as log_topic,
    toUInt32(1) as log_epoch,
    raw_partition as log_partition,
    -- Rows of one message stand together.
    intDiv(raw_offset, 20) as log_offset,
    session,
    step
from
(
    select
        *,
        multiIf(
            step = 0, 'session_start',
            step > steps, 'session_end',
            step = 1 or event_hash % 100 < 62, 'screen_view',
            pick(place(cityHash64(event_hash, 'name'), 18), customs)
        ) as name,
        toUInt64(intDiv(time - {origin:UInt64}, 8 * {spacing:Float64})) as raw_offset,
        pick(page % 8 + 1, categories) as category,
        pick(page_hash % 8 + 1, categories) as shelf
    from
    (
        select
            *,
            place(cityHash64(page_hash, 'number'), 5000) as page
        from
        (
            select
                *,
                step,
                cityHash64(session, step) as event_hash,
                -- The events that Weir makes itself are where somebody comes in or leaves; every second step leads on.
                cityHash64(session, if(step > steps, steps, if(step < 2, 1, intDiv(step, 2) + 1)), 'page') as page_hash,
                toUInt8(step = 0 or step > steps) as synthesized,
                multiIf(
                    step = 0, toUInt64(began - 100),
                    step > steps, toUInt64(began + length_ms + 1000),
                    toUInt64(began + moments[step])
                ) as time
            from
            (
                select
                    *,
                    multiIf(visitor_hash % 10 < 7, 'shop', visitor_hash % 10 < 9, 'magazine', 'app') as project_id,
                    toUInt16(intDiv(visitor_hash, 64) % 8) as raw_partition,
                    place(cityHash64(visitor_hash, 'town'), 24) as town,
                    place(cityHash64(visitor_hash, 'agent'), 12) as agent,
                    arrayElement(moments, -1) as length_ms
                from
                (
                    select
                        *,
                        cityHash64(visitor, 'visitor') as visitor_hash,
                        arrayCumSum(arrayMap(
                            at -> if(at = 1, 0, least(toUInt32(-log(share(cityHash64(session, at, 'gap')) + 1e-9) * 28000), 1500000)),
                            range(1, steps + 1)
                        )) as moments
                    from
                    (
                        select
                            *,
                            -- The first of those who came that day come thirteen times as often as the average, the last
                            -- a quarter.
                            ({day:UInt32} - age) * intDiv({visitors:UInt64}, {days:UInt32})
                                + toUInt64(intDiv({visitors:UInt64}, {days:UInt32}) * (exp(4 * share(cityHash64(session, 'visitor'))) - 1) / 53.59816)
                                as visitor
                        from
                        (
                            select
                                number as session,
                                -- A new visitor every eighth time; else one who came first some days ago.
                                if(
                                    cityHash64(number, 'is new') % 8 = 0,
                                    0,
                                    toUInt32(-log(share(cityHash64(number, 'age')) + 1e-9) * 22)
                                ) % ({day:UInt32} + 1) as age,
                                -- Every third session is a single event.
                                if(
                                    cityHash64(number, 'steps') % 3 = 0,
                                    1,
                                    1 + least(toUInt32(-log(share(cityHash64(number, 'length')) + 1e-9) * {pages:Float64}), 80)
                                ) as steps,
                                {origin:UInt64} + toUInt64(
                                    86400000 * ({day:UInt32} + (share(cityHash64(number, 'from')) + share(cityHash64(number, 'to'))) / 2)
                                ) as began,
                                place(cityHash64(number, 'source'), 40) as source,
                                if(cityHash64(number, 'utm') % 6 = 0, place(cityHash64(number, 'campaign'), 40), 0) as campaign
                            from numbers({first:UInt64}, {sessions:UInt64})
                        )
                    )
                )
            )
            array join range(0, steps + 2) as step
        )
    )
)
