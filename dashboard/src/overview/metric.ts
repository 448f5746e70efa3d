import type { Metrics } from '../api/client';
import { duration, fullCount, percent, ratio, shortCount } from '../format/numbers';

export type MetricName =
  | 'unique_visitors'
  | 'total_sessions'
  | 'total_screen_views'
  | 'views_per_session'
  | 'bounce_rate'
  | 'avg_session_duration';

export interface Metric {
  name: MetricName;
  label: string;
  short: (value: number) => string;
  long: (value: number) => string;
  /** Whether less of it is good news. */
  lessIsBetter?: boolean;
  /** The largest value there can be. */
  max?: number;
}

/** The words are those of docs/definitions.md. */
export const METRICS: readonly Metric[] = [
  { name: 'unique_visitors', label: 'Visitors', short: shortCount, long: fullCount },
  { name: 'total_sessions', label: 'Sessions', short: shortCount, long: fullCount },
  { name: 'total_screen_views', label: 'Page views', short: shortCount, long: fullCount },
  { name: 'views_per_session', label: 'Views per session', short: ratio, long: ratio },
  { name: 'bounce_rate', label: 'Bounce rate', short: percent, long: percent, lessIsBetter: true, max: 100 },
  { name: 'avg_session_duration', label: 'Session duration', short: duration, long: duration },
];

export function metricNamed(name: string | null): Metric {
  const found = METRICS.find((metric) => metric.name === name) ?? METRICS[0];
  if (found === undefined) throw new Error('there are no metrics');
  return found;
}

export function valuesOf(figures: Metrics['metrics'], name: MetricName): { now: number; before: number } {
  return { now: figures[name], before: figures[`prev_${name}`] };
}
