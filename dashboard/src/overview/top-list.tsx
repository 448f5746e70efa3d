import type { UseQueryResult } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { fullCount, percent, shortCount } from '../format/numbers';
import { Empty, Failure } from '../ui/states';

const SHOWN = 8;

export interface Row {
  key: string;
  label: ReactNode;
  title: string;
  value: number;
}

interface Props<T> {
  testId: string;
  unit: string;
  empty: string;
  query: UseQueryResult<T[]>;
  row: (item: T) => Row;
}

/** A list of values with their numbers, longest bar first. */
export function TopList<T>({ testId, unit, empty, query, row }: Props<T>) {
  const [all, setAll] = useState(false);
  if (query.isPending) return <Skeleton />;
  if (query.data === undefined) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const rows = query.data.map(row);
  if (rows.length === 0) return <Empty>{empty}</Empty>;
  const largest = Math.max(...rows.map((one) => one.value), 1);
  const total = rows.reduce((sum, one) => sum + one.value, 0);
  return (
    <>
      <ol className="flex flex-col gap-0.5 pl-3 pr-5" data-testid={testId} aria-label={`By ${unit}`}>
        {rows.slice(0, all ? rows.length : SHOWN).map((one) => (
          <li
            key={one.key}
            className="group flex h-8 items-center gap-2 text-sm"
            title={`${one.title}: ${fullCount(one.value)} ${unit} (${percent((100 * one.value) / total)})`}
          >
            <span className="relative flex h-full min-w-0 flex-1 items-center">
              <span
                aria-hidden="true"
                className="bg-wash absolute inset-y-0.5 left-0 rounded-md opacity-80 transition-[width] duration-300 group-hover:opacity-100 motion-reduce:transition-none"
                style={{ width: `${(100 * one.value) / largest}%` }}
              />
              <span className="relative truncate px-2">{one.label}</span>
            </span>
            <span className="text-faint hidden text-xs group-hover:inline">{percent((100 * one.value) / total)}</span>
            <span className="min-w-12 text-right font-medium">{shortCount(one.value)}</span>
          </li>
        ))}
      </ol>
      {rows.length > SHOWN && (
        <button
          type="button"
          aria-expanded={all}
          onClick={() => {
            setAll(!all);
          }}
          className="text-faint hover:text-ink mx-auto mt-2 block rounded-md px-3 py-1 text-xs font-medium"
        >
          {all ? 'Show less' : `Show all ${rows.length}`}
        </button>
      )}
    </>
  );
}

function Skeleton() {
  return (
    <div className="flex flex-col gap-2.5 px-5 py-1" role="status" aria-label="Loading">
      {[92, 70, 55, 43, 30].map((width) => (
        <span key={width} className="skeleton h-6" style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}
