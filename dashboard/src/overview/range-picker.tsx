import { useEffect, useId, useRef, useState, type KeyboardEvent, type SyntheticEvent } from 'react';
import type { Interval, Metrics } from '../api/client';
import { periodLabel } from '../format/dates';
import { CalendarIcon, ChevronIcon } from '../ui/icons';
import { intervalsFor, type Period, RANGES } from './period';

interface Props {
  period: Period;
  answer: Metrics | undefined;
  change: (period: Period) => void;
}

/** Which period is looked at, and how finely. */
export function RangePicker({ period, answer, change }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const menu = useId();

  useEffect(() => {
    if (!open) return;
    const close = (event: PointerEvent): void => {
      if (event.target instanceof Node && root.current?.contains(event.target) !== true) setOpen(false);
    };
    document.addEventListener('pointerdown', close);
    return () => {
      document.removeEventListener('pointerdown', close);
    };
  }, [open]);

  function choose(next: Period): void {
    change(next);
    setOpen(false);
    opener.current?.focus();
  }

  function onKey(event: KeyboardEvent): void {
    if (event.key !== 'Escape' || !open) return;
    setOpen(false);
    opener.current?.focus();
  }

  return (
    <div className="flex flex-wrap items-center gap-2" onKeyDown={onKey}>
      <IntervalPicker period={period} answer={answer} change={change} />
      <div ref={root} className="relative">
        <button
          ref={opener}
          type="button"
          data-testid="range-picker"
          aria-haspopup="dialog"
          aria-expanded={open}
          aria-controls={menu}
          onClick={() => {
            setOpen(!open);
          }}
          className="card hover:bg-raised flex h-9 items-center gap-2 rounded-lg px-3 text-sm font-medium"
        >
          <CalendarIcon />
          {labelOf(period, answer)}
          <ChevronIcon />
        </button>
        {open && (
          <div
            id={menu}
            role="dialog"
            aria-label="Period"
            className="card absolute right-0 z-20 mt-2 w-80 rounded-xl p-1.5 shadow-xl max-sm:fixed max-sm:inset-x-4 max-sm:w-auto"
          >
            <RangeList period={period} choose={choose} />
            <CustomDates period={period} choose={choose} />
          </div>
        )}
      </div>
    </div>
  );
}

function labelOf(period: Period, answer: Metrics | undefined): string {
  const known = RANGES.find((range) => range.range === period.range);
  if (known !== undefined) return known.label;
  if (answer === undefined) return 'Custom';
  return periodLabel(answer.period.start, answer.period.end, answer.timezone);
}

function RangeList({ period, choose }: { period: Period; choose: (period: Period) => void }) {
  const list = useRef<HTMLUListElement>(null);

  useEffect(() => {
    const chosen = list.current?.querySelector<HTMLElement>('[aria-pressed="true"]');
    (chosen ?? list.current?.querySelector<HTMLElement>('button'))?.focus();
  }, []);

  function move(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const buttons = [...(list.current?.querySelectorAll('button') ?? [])];
    const place = buttons.findIndex((button) => button === document.activeElement);
    buttons[(place + step + buttons.length) % buttons.length]?.focus();
  }

  return (
    <ul ref={list} onKeyDown={move} className="max-h-[min(28rem,45vh)] overflow-y-auto">
      {RANGES.map(({ range, label }) => (
        <li key={range}>
          <button
            type="button"
            data-range={range}
            aria-pressed={range === period.range}
            onClick={() => {
              choose({ range, startDate: null, endDate: null, interval: null });
            }}
            className="hover:bg-raised aria-pressed:bg-wash aria-pressed:text-accent w-full rounded-lg px-3 py-1.5 text-left text-sm -outline-offset-2 aria-pressed:font-medium"
          >
            {label}
          </button>
        </li>
      ))}
    </ul>
  );
}

function CustomDates({ period, choose }: { period: Period; choose: (period: Period) => void }) {
  function submit(event: SyntheticEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const days = [form.get('from'), form.get('to')].filter((day) => typeof day === 'string' && day !== '') as string[];
    const [startDate, endDate] = days.sort();
    if (startDate === undefined || endDate === undefined) return;
    choose({ range: 'custom', startDate, endDate, interval: null });
  }

  const field = 'bg-ground border-line w-full min-w-0 rounded-md border px-2 py-1 text-xs';
  return (
    <form onSubmit={submit} className="border-line mt-1.5 grid grid-cols-2 gap-2 border-t p-2">
      <label className="text-faint text-xs">
        From
        <input required type="date" name="from" defaultValue={period.startDate ?? ''} className={field} />
      </label>
      <label className="text-faint text-xs">
        To
        <input required type="date" name="to" defaultValue={period.endDate ?? ''} className={field} />
      </label>
      <button type="submit" className="bg-accent text-accent-ink col-span-2 rounded-lg py-1.5 text-sm font-medium">
        Show these days
      </button>
    </form>
  );
}

function IntervalPicker({ period, answer, change }: Props) {
  const intervals = intervalsFor(period.range);
  if (intervals.length < 2) return null;
  const chosen = period.interval ?? answer?.interval ?? intervals[0] ?? 'day';
  return (
    <label className="card hover:bg-raised flex h-9 items-center rounded-lg text-sm">
      <span className="sr-only">Interval</span>
      <select
        data-testid="interval-picker"
        value={chosen}
        onChange={(event) => {
          change({ ...period, interval: event.target.value as Interval });
        }}
        className="h-full rounded-lg bg-transparent px-3 font-medium"
      >
        {intervals.map((interval) => (
          <option key={interval} value={interval} className="bg-card">
            By {interval}
          </option>
        ))}
      </select>
    </label>
  );
}
