import { type KeyboardEvent, type ReactNode, useId } from 'react';

interface Props<Tab extends string> {
  title: string;
  unit: string;
  tabs?: readonly { tab: Tab; label: string }[];
  selected?: Tab;
  select?: (tab: Tab) => void;
  children: ReactNode;
}

/** The frame of a top list; with several tabs it lists the same sessions by different properties. */
export function ListCard<Tab extends string>({ title, unit, tabs, selected, select, children }: Props<Tab>) {
  const heading = useId();

  function move(event: KeyboardEvent<HTMLDivElement>): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined || tabs === undefined) return;
    event.preventDefault();
    const place = (tabs.findIndex(({ tab }) => tab === selected) + step + tabs.length) % tabs.length;
    const next = tabs[place];
    if (next === undefined) return;
    select?.(next.tab);
    event.currentTarget.querySelectorAll('button')[place]?.focus();
  }

  return (
    <section className="card flex min-h-64 flex-col pb-3" aria-labelledby={heading}>
      <header className="flex flex-wrap items-center gap-x-4 gap-y-1 px-5 pb-2 pt-4">
        <h2 id={heading} className="text-sm font-semibold">
          {title}
        </h2>
        {tabs && (
          <div
            role="tablist"
            aria-labelledby={heading}
            className="flex gap-3 text-xs max-sm:order-3 max-sm:w-full"
            onKeyDown={move}
          >
            {tabs.map(({ tab, label }) => (
              <button
                key={tab}
                type="button"
                role="tab"
                aria-selected={tab === selected}
                tabIndex={tab === selected ? 0 : -1}
                onClick={() => select?.(tab)}
                className="text-faint hover:text-ink aria-selected:text-accent rounded font-medium"
              >
                {label}
              </button>
            ))}
          </div>
        )}
        <span className="text-faint ml-auto text-xs max-sm:order-2">{unit}</span>
      </header>
      {children}
    </section>
  );
}
