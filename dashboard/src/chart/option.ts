import type { EChartsCoreOption } from 'echarts/core';

export interface ChartPoint {
  /** Text on the axis. */
  short: string;
  /** Text in the tooltip. */
  long: string;
  /** null: the future, of which nothing is known. */
  now: number | null;
  /** Whether this part is not over yet, so that its number will still grow. */
  running: boolean;
  before: number;
  beforeLong: string;
}

export interface ChartData {
  label: string;
  points: ChartPoint[];
  format: (value: number) => string;
  /** Largest possible value, where there is one. */
  max?: number;
}

export interface ChartColours {
  font: string;
  accent: string;
  faint: string;
  line: string;
  card: string;
  ink: string;
}

export function chartOption(data: ChartData, colours: ChartColours, animated: boolean): EChartsCoreOption {
  const single = data.points.length === 1;
  return {
    animation: animated,
    animationDuration: 350,
    textStyle: { fontFamily: colours.font },
    grid: { left: 4, right: 12, top: 16, bottom: 4, containLabel: true },
    tooltip: {
      trigger: 'axis',
      confine: true,
      backgroundColor: colours.card,
      borderColor: colours.line,
      padding: [10, 12],
      textStyle: { color: colours.ink, fontSize: 13, fontFamily: colours.font },
      axisPointer: { type: 'line', lineStyle: { color: colours.faint, type: 'dashed' } },
      formatter: (shown: unknown) => tooltip(data, shown),
    },
    xAxis: {
      type: 'category',
      boundaryGap: single,
      data: data.points.map((point) => point.short),
      axisLine: { lineStyle: { color: colours.line } },
      axisTick: { show: false },
      axisLabel: { color: colours.faint, fontSize: 12, margin: 12, hideOverlap: true },
    },
    yAxis: {
      type: 'value',
      splitNumber: 4,
      min: 0,
      ...(data.max !== undefined && { max: data.max }),
      minInterval: data.points.every((point) => Number.isInteger(point.now ?? 0)) ? 1 : 0,
      axisLabel: { color: colours.faint, fontSize: 12, formatter: data.format },
      splitLine: { lineStyle: { color: colours.line, opacity: 0.7 } },
    },
    series: [
      {
        type: 'line',
        data: data.points.map((point) => point.before),
        showSymbol: single,
        symbol: 'circle',
        smooth: 0.25,
        smoothMonotone: 'x',
        silent: true,
        z: 1,
        lineStyle: { color: colours.faint, width: 1.5, type: [4, 4], opacity: 0.8 },
        itemStyle: { color: colours.faint },
      },
      {
        type: 'line',
        data: data.points.map((point) => (point.running && !single ? null : point.now)),
        showSymbol: single,
        symbol: 'circle',
        symbolSize: 7,
        smooth: 0.25,
        smoothMonotone: 'x',
        z: 2,
        lineStyle: { color: colours.accent, width: 2.25 },
        itemStyle: { color: colours.accent },
        areaStyle: {
          color: {
            type: 'linear',
            x: 0,
            y: 0,
            x2: 0,
            y2: 1,
            colorStops: [
              { offset: 0, color: `${colours.accent}33` },
              { offset: 1, color: `${colours.accent}00` },
            ],
          },
        },
      },
      {
        type: 'line',
        data: runningTail(data.points),
        showSymbol: false,
        symbol: 'circle',
        symbolSize: 7,
        z: 2,
        lineStyle: { color: colours.accent, width: 2.25, type: [2, 4], cap: 'round' },
        itemStyle: { color: colours.accent },
      },
    ],
  };
}

/** The way from the last whole part to the running one, which is drawn dashed: its number is not final. */
export function runningTail(points: readonly ChartPoint[]): (number | null)[] {
  return points.map((point, place) => (point.running || points[place + 1]?.running === true ? point.now : null));
}

/** Built from elements, not from text: labels come from data, and data is never markup. */
function tooltip(data: ChartData, shown: unknown): HTMLElement | string {
  const place = placeOf(shown);
  const point = place === null ? undefined : data.points[place];
  if (point === undefined) return '';
  const box = document.createElement('div');
  box.className = 'flex flex-col gap-1';
  const head = box.appendChild(document.createElement('div'));
  head.className = 'text-sm font-semibold';
  head.textContent = data.label;
  const rows: [string, number | null, string][] = [
    [point.long, point.now, 'bg-accent'],
    [point.beforeLong, point.before, 'bg-faint'],
  ];
  for (const [label, value, colour] of rows) {
    if (value === null || label === '') continue;
    const row = box.appendChild(document.createElement('div'));
    row.className = 'flex items-center gap-2 text-xs';
    row.appendChild(document.createElement('span')).className = `size-2 rounded-full ${colour}`;
    row.appendChild(document.createElement('span')).textContent = label;
    const number = row.appendChild(document.createElement('span'));
    number.className = 'ml-auto pl-4 font-semibold';
    number.textContent = data.format(value);
  }
  return box;
}

function placeOf(shown: unknown): number | null {
  const first: unknown = Array.isArray(shown) ? shown[0] : shown;
  if (typeof first !== 'object' || first === null || !('dataIndex' in first)) return null;
  return typeof first.dataIndex === 'number' ? first.dataIndex : null;
}
