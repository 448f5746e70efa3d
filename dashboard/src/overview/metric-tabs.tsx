import { useRef, type KeyboardEvent } from 'react';
import type { Metrics } from '../api/client';
import { change, percent } from '../format/numbers';
import { METRICS, type Metric, type MetricName, valuesOf } from './metric';

interface Props {
  figures: Metrics['metrics'] | undefined;
  selected: MetricName;
  select: (name: MetricName) => void;
}

/** The main numbers; choosing one shows it in the chart below. */
export function MetricTabs({ figures, selected, select }: Props) {
  const list = useRef<HTMLDivElement>(null);

  function move(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const place = METRICS.findIndex((metric) => metric.name === selected);
    const next = METRICS[(place + step + METRICS.length) % METRICS.length];
    if (next === undefined) return;
    select(next.name);
    list.current?.querySelector<HTMLElement>(`[data-metric="${next.name}"]`)?.focus();
  }

  return (
    <div
      ref={list}
      role="tablist"
      aria-label="Metric shown in the chart"
      onKeyDown={move}
      className="border-line grid grid-cols-2 overflow-hidden rounded-t-2xl border-b sm:grid-cols-3 lg:grid-cols-6"
    >
      {METRICS.map((metric) => (
        <MetricTab
          key={metric.name}
          metric={metric}
          figures={figures}
          selected={metric.name === selected}
          select={select}
        />
      ))}
    </div>
  );
}

interface TabProps {
  metric: Metric;
  figures: Metrics['metrics'] | undefined;
  selected: boolean;
  select: (name: MetricName) => void;
}

function MetricTab({ metric, figures, selected, select }: TabProps) {
  const values = figures && valuesOf(figures, metric.name);
  return (
    <button
      type="button"
      role="tab"
      data-metric={metric.name}
      data-testid={`metric-${metric.name}`}
      aria-selected={selected}
      aria-controls="chart"
      tabIndex={selected ? 0 : -1}
      onClick={() => {
        select(metric.name);
      }}
      className={`relative flex flex-col items-start gap-1 px-4 py-3.5 text-left -outline-offset-2 transition-colors sm:px-5 ${
        selected ? 'bg-wash/50' : 'hover:bg-raised/60'
      }`}
    >
      <span className={`text-[13px] font-medium ${selected ? 'text-accent' : 'text-soft'}`}>{metric.label}</span>
      {values === undefined ? (
        <span className="skeleton my-1 h-6 w-16" />
      ) : (
        <>
          <span
            className="text-2xl font-semibold tracking-tight"
            data-testid={`value-${metric.name}`}
            title={metric.long(values.now)}
          >
            {metric.short(values.now)}
          </span>
          <Change metric={metric} now={values.now} before={values.before} />
        </>
      )}
      <span aria-hidden="true" className={`absolute inset-x-0 bottom-0 h-0.5 ${selected ? 'bg-accent' : ''}`} />
    </button>
  );
}

function Change({ metric, now, before }: { metric: Metric; now: number; before: number }) {
  const difference = change(now, before);
  const was = `Previous period: ${metric.long(before)}`;
  if (difference === null || Math.abs(difference) < 0.05) {
    return (
      <span className="text-faint text-xs" title={was}>
        {difference === null ? 'new' : 'no change'}
      </span>
    );
  }
  const up = difference > 0;
  const good = up !== (metric.lessIsBetter ?? false);
  const size = Math.abs(difference);
  return (
    <span className={`text-xs font-medium ${good ? 'text-good' : 'text-bad'}`} title={was}>
      <span aria-hidden="true">{up ? '↑' : '↓'} </span>
      <span className="sr-only">{up ? 'up' : 'down'} </span>
      {size >= 1000 ? '>999%' : percent(size >= 10 ? Math.round(size) : size)}
    </span>
  );
}
