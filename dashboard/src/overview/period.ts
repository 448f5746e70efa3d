import { useCallback, useState } from 'react';
import type { Interval, PeriodQuery, Range } from '../api/client';

/** What of the address says which period is looked at. */
export interface Period {
  range: Range;
  startDate: string | null;
  endDate: string | null;
  interval: Interval | null;
}

export const RANGES: readonly { range: Range; label: string }[] = [
  { range: '30min', label: 'Last 30 minutes' },
  { range: 'lastHour', label: 'Last hour' },
  { range: 'last24h', label: 'Last 24 hours' },
  { range: 'today', label: 'Today' },
  { range: 'yesterday', label: 'Yesterday' },
  { range: '7d', label: 'Last 7 days' },
  { range: '30d', label: 'Last 30 days' },
  { range: 'monthToDate', label: 'Month to date' },
  { range: 'lastMonth', label: 'Last month' },
  { range: '3m', label: 'Last 3 months' },
  { range: '6m', label: 'Last 6 months' },
  { range: '12m', label: 'Last 12 months' },
  { range: 'yearToDate', label: 'Year to date' },
  { range: 'lastYear', label: 'Last year' },
];

/** Intervals that make sense in a range: enough parts to see a shape, few enough to read it. */
const INTERVALS: Partial<Record<Range, readonly Interval[]>> = {
  '30min': ['minute'],
  lastHour: ['minute'],
  last24h: ['hour'],
  today: ['hour'],
  yesterday: ['hour'],
  '7d': ['hour', 'day'],
  '30d': ['day', 'week'],
  monthToDate: ['day', 'week'],
  lastMonth: ['day', 'week'],
  custom: ['hour', 'day', 'week', 'month'],
};

export function intervalsFor(range: Range): readonly Interval[] {
  return INTERVALS[range] ?? ['day', 'week', 'month'];
}

export const DEFAULT_PERIOD: Period = { range: '30d', startDate: null, endDate: null, interval: null };

export function periodQuery(period: Period): PeriodQuery {
  return {
    range: period.range,
    ...(period.startDate !== null && { startDate: period.startDate }),
    ...(period.endDate !== null && { endDate: period.endDate }),
    ...(period.interval !== null && { interval: period.interval }),
  };
}

export function readPeriod(search: string): Period {
  const query = new URLSearchParams(search);
  const day = (name: string): string | null => {
    const value = query.get(name);
    return value !== null && /^\d{4}-\d\d-\d\d$/.test(value) ? value : null;
  };
  const startDate = day('startDate');
  const endDate = day('endDate');
  const custom = startDate !== null && endDate !== null;
  const range = custom ? 'custom' : RANGES.find((known) => known.range === query.get('range'))?.range;
  if (range === undefined) return DEFAULT_PERIOD;
  const interval = intervalsFor(range).find((known) => known === query.get('interval')) ?? null;
  return { range, startDate: custom ? startDate : null, endDate: custom ? endDate : null, interval };
}

export function writePeriod(period: Period, search: string): string {
  const query = new URLSearchParams(search);
  for (const name of ['range', 'startDate', 'endDate', 'interval']) query.delete(name);
  if (period.range !== 'custom') query.set('range', period.range);
  if (period.startDate !== null) query.set('startDate', period.startDate);
  if (period.endDate !== null) query.set('endDate', period.endDate);
  if (period.interval !== null) query.set('interval', period.interval);
  return query.toString();
}

/** The period, kept in the address: a reload or a shared link shows the same. */
export function usePeriod(): [Period, (period: Period) => void] {
  const [period, setPeriod] = useState(() => readPeriod(window.location.search));
  const change = useCallback((next: Period) => {
    setPeriod(next);
    window.history.replaceState(null, '', `?${writePeriod(next, window.location.search)}`);
  }, []);
  return [period, change];
}
