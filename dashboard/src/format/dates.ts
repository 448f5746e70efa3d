import type { Interval } from '../api/client';
import { LOCALE } from './numbers';

const SHAPES: Record<Interval, { short: Intl.DateTimeFormatOptions; long: Intl.DateTimeFormatOptions }> = {
  minute: {
    short: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
    long: { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  },
  hour: {
    short: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
    long: { weekday: 'short', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  },
  day: {
    short: { month: 'short', day: 'numeric' },
    long: { weekday: 'short', month: 'short', day: 'numeric', year: 'numeric' },
  },
  week: {
    short: { month: 'short', day: 'numeric' },
    long: { month: 'short', day: 'numeric', year: 'numeric' },
  },
  month: { short: { month: 'short', year: '2-digit' }, long: { month: 'long', year: 'numeric' } },
};

/** Labels for the parts of a series, in the project's time zone, not the reader's. */
export function dateLabels(
  interval: Interval,
  timeZone: string,
): { short: (date: string) => string; long: (date: string) => string } {
  const short = new Intl.DateTimeFormat(LOCALE, { ...SHAPES[interval].short, timeZone });
  const long = new Intl.DateTimeFormat(LOCALE, { ...SHAPES[interval].long, timeZone });
  const prefix = interval === 'week' ? 'Week of ' : '';
  return {
    short: (date) => short.format(new Date(date)),
    long: (date) => prefix + long.format(new Date(date)),
  };
}

/** The first and the last day of a period, whose end is exclusive. */
export function periodLabel(start: string, end: string, timeZone: string): string {
  const format = new Intl.DateTimeFormat(LOCALE, { month: 'short', day: 'numeric', year: 'numeric', timeZone });
  return format.formatRange(new Date(start), new Date(new Date(end).getTime() - 1));
}
