import type { ChartData } from '../chart/option';
import type { Metrics } from '../api/client';
import { dateLabels } from '../format/dates';
import type { Metric } from './metric';
import { valuesOf } from './metric';

/** The series of one metric for the chart; parts that begin after `now` are left open. */
export function chartData(answer: Metrics, metric: Metric, now: number): ChartData {
  const labels = dateLabels(answer.interval, answer.timezone);
  const shift = Date.parse(answer.period.start) - Date.parse(answer.previous_period.start);
  return {
    label: metric.label,
    format: metric.long,
    ...(metric.max !== undefined && { max: metric.max }),
    points: answer.series.map((part, place) => {
      const values = valuesOf(part, metric.name);
      const begins = Date.parse(part.date);
      const ends = Date.parse(answer.series[place + 1]?.date ?? answer.period.end);
      return {
        short: labels.short(part.date),
        long: labels.long(part.date),
        now: begins > now ? null : values.now,
        running: begins <= now && now < ends,
        before: values.before,
        beforeLong: labels.long(new Date(begins - shift).toISOString()),
      };
    }),
  };
}
