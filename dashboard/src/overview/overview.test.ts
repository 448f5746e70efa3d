import { describe, expect, it } from 'vitest';
import { visitorsOf } from '../api/live';
import type { Metrics, Part } from '../api/client';
import { chartOption, runningTail } from '../chart/option';
import { METRICS, metricNamed, valuesOf } from './metric';
import { DEFAULT_PERIOD, intervalsFor, periodQuery, RANGES, readPeriod, writePeriod } from './period';
import { chartData } from './series';

describe('the period in the address', () => {
  it('survives writing and reading', () => {
    for (const { range } of RANGES) {
      for (const interval of [null, ...intervalsFor(range)]) {
        const period = { range, startDate: null, endDate: null, interval };
        expect(readPeriod(writePeriod(period, ''))).toEqual(period);
      }
    }
    const custom = { range: 'custom', startDate: '2026-01-01', endDate: '2026-01-31', interval: 'week' } as const;
    expect(readPeriod(writePeriod(custom, '?range=7d&other=1'))).toEqual(custom);
    expect(writePeriod(custom, '?range=7d&other=1')).toContain('other=1');
  });

  it('falls back where it is nonsense', () => {
    for (const search of ['', '?range=never', '?startDate=2026-01-01', '?startDate=x&endDate=y']) {
      expect(readPeriod(search)).toEqual(DEFAULT_PERIOD);
    }
    expect(readPeriod('?range=today&interval=month').interval).toBeNull();
  });

  it('asks the server only for what was chosen', () => {
    expect(periodQuery(DEFAULT_PERIOD)).toEqual({ range: '30d' });
  });
});

function part(date: string, value: number): Part {
  const figures = Object.fromEntries(
    METRICS.flatMap(({ name }) => [
      [name, value],
      [`prev_${name}`, value - 1],
    ]),
  );
  return { date, ...figures } as Part;
}

const ANSWER: Metrics = {
  metrics: part('', 9),
  series: [
    part('2026-03-28T00:00:00+01:00', 1),
    part('2026-03-29T00:00:00+01:00', 2),
    part('2026-03-30T00:00:00+02:00', 3),
    part('2026-03-31T00:00:00+02:00', 4),
  ],
  interval: 'day',
  timezone: 'Europe/Berlin',
  period: { start: '2026-03-28T00:00:00+01:00', end: '2026-04-01T00:00:00+02:00' },
  previous_period: { start: '2026-03-24T00:00:00+01:00', end: '2026-03-28T00:00:00+01:00' },
};

describe('the chart', () => {
  const noon = Date.parse('2026-03-30T12:00:00+02:00');
  const data = chartData(ANSWER, metricNamed('unique_visitors'), noon);

  it('leaves the future open and marks what is not over', () => {
    expect(data.points.map((point) => point.now)).toEqual([1, 2, 3, null]);
    expect(data.points.map((point) => point.running)).toEqual([false, false, true, false]);
    expect(runningTail(data.points)).toEqual([null, 2, 3, null]);
  });

  it('has labels of both periods', () => {
    expect(data.points.map((point) => point.short)).toEqual(['Mar 28', 'Mar 29', 'Mar 30', 'Mar 31']);
    expect(data.points[0]?.beforeLong).toBe('Tue, Mar 24, 2026');
  });

  it('draws both periods', () => {
    const colours = {
      font: 'x',
      accent: '#000000',
      faint: '#000000',
      line: '#000000',
      card: '#000000',
      ink: '#000000',
    };
    const option = chartOption(data, colours, false) as { series: { data: (number | null)[] }[] };
    expect(option.series.map((series) => series.data)).toEqual([
      [0, 1, 2, 3],
      [1, 2, null, null],
      [null, 2, 3, null],
    ]);
  });
});

describe('metrics', () => {
  it('have a value now and before', () => {
    for (const { name } of METRICS) expect(valuesOf(ANSWER.metrics, name)).toEqual({ now: 9, before: 8 });
    expect(metricNamed('nothing').name).toBe('unique_visitors');
  });
});

describe('live messages', () => {
  it('are numbers or nothing', () => {
    expect(visitorsOf('{"visitors": 3}')).toBe(3);
    for (const bad of ['', 'null', '{"visitors": "3"}', '[]', new ArrayBuffer(1)]) expect(visitorsOf(bad)).toBeNull();
  });
});
