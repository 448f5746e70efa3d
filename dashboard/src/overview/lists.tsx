import { useState } from 'react';
import type { Dimension, SessionsRow } from '../api/client';
import { countryName, flag } from '../format/places';
import { ListCard } from './list-card';
import type { Period } from './period';
import { useEventNames, usePages, useSessionsBy } from './queries';
import { type Row, TopList } from './top-list';

const NOTHING = 'Nothing in this period.';

export function Pages({ period }: { period: Period }) {
  const query = usePages(period);
  return (
    <ListCard title="Pages" unit="page views">
      <TopList
        testId="top-pages"
        unit="page views"
        empty={NOTHING}
        query={query}
        row={(page) => ({
          key: page.origin + page.path,
          label: page.path === '' ? '(no path)' : page.path,
          title: `${page.origin}${page.path} — ${page.title}`,
          value: page.pageviews,
        })}
      />
    </ListCard>
  );
}

export function Events({ period }: { period: Period }) {
  const query = useEventNames(period);
  return (
    <ListCard title="Events" unit="events">
      <TopList
        testId="top-events"
        unit="events"
        empty={NOTHING}
        query={query}
        row={(event) => ({
          key: event.name,
          label: event.name === 'screen_view' ? 'Page view' : event.name,
          title: event.name,
          value: event.count,
        })}
      />
    </ListCard>
  );
}

const SOURCES = [
  { tab: 'referrer_name', label: 'Source' },
  { tab: 'referrer_type', label: 'Channel' },
  { tab: 'utm_campaign', label: 'Campaign' },
] as const;

export function Sources({ period }: { period: Period }) {
  const [tab, setTab] = useState<(typeof SOURCES)[number]['tab']>('referrer_name');
  const direct = tab === 'utm_campaign' ? 'No campaign' : 'Direct';
  return (
    <ListCard title="Sources" unit="sessions" tabs={SOURCES} selected={tab} select={setTab}>
      <SessionsList testId="top-sources" dimension={tab} period={period} unknown={direct} />
    </ListCard>
  );
}

const PLACES = [
  { tab: 'country', label: 'Country' },
  { tab: 'region', label: 'Region' },
  { tab: 'city', label: 'City' },
] as const;

export function Places({ period }: { period: Period }) {
  const [tab, setTab] = useState<(typeof PLACES)[number]['tab']>('country');
  return (
    <ListCard title="Places" unit="sessions" tabs={PLACES} selected={tab} select={setTab}>
      {tab === 'country' ? (
        <SessionsList testId="top-countries" dimension="country" period={period} unknown="Unknown" label={country} />
      ) : (
        <SessionsList testId="top-places" dimension={tab} period={period} unknown="Unknown" />
      )}
    </ListCard>
  );
}

function country(code: string): Pick<Row, 'label' | 'title'> {
  const name = countryName(code);
  return {
    title: name,
    label: (
      <>
        <span aria-hidden="true" className="font-flag mr-2">
          {flag(code)}
        </span>
        {name}
      </>
    ),
  };
}

const DEVICES = [
  { tab: 'device', label: 'Device', testId: 'top-devices' },
  { tab: 'browser', label: 'Browser', testId: 'top-browsers' },
  { tab: 'os', label: 'System', testId: 'top-systems' },
] as const;

export function Devices({ period }: { period: Period }) {
  const [tab, setTab] = useState<(typeof DEVICES)[number]['tab']>('device');
  return (
    <ListCard title="Devices" unit="sessions" tabs={DEVICES} selected={tab} select={setTab}>
      <SessionsList
        testId={DEVICES.find((one) => one.tab === tab)?.testId ?? ''}
        dimension={tab}
        period={period}
        unknown="Unknown"
        {...(tab === 'device' && { label: capitalised })}
      />
    </ListCard>
  );
}

function capitalised(name: string): Pick<Row, 'label' | 'title'> {
  const text = name === '' ? 'Unknown' : name.charAt(0).toUpperCase() + name.slice(1);
  return { label: text, title: text };
}

interface SessionsListProps {
  testId: string;
  dimension: Dimension;
  period: Period;
  unknown: string;
  label?: (name: string) => Pick<Row, 'label' | 'title'>;
}

function SessionsList({ testId, dimension, period, unknown, label }: SessionsListProps) {
  const query = useSessionsBy(dimension, period);
  const row = (item: SessionsRow): Row => {
    const text = item.name === '' ? unknown : item.name;
    return { key: item.name, value: item.sessions, ...(label ? label(item.name) : { label: text, title: text }) };
  };
  return <TopList key={dimension} testId={testId} unit="sessions" empty={NOTHING} query={query} row={row} />;
}
