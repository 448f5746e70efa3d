import { lazy, Suspense, useState } from 'react';
import { useSignedIn } from '../api/session';
import { Failure } from '../ui/states';
import { Devices, Events, Pages, Places, Sources } from './lists';
import { type MetricName, metricNamed } from './metric';
import { MetricTabs } from './metric-tabs';
import { usePeriod } from './period';
import { useMetrics } from './queries';
import { RangePicker } from './range-picker';

// The chart is most of the code: the numbers need not wait for it.
const MainChart = lazy(() => import('./main-chart').then((module) => ({ default: module.MainChart })));

/** A project at a glance. */
export function Overview() {
  const { project } = useSignedIn();
  const [period, setPeriod] = usePeriod();
  const [selected, setSelected] = useState<MetricName>('unique_visitors');
  const metrics = useMetrics(period);
  const answer = metrics.data;
  const nothing = answer?.metrics.total_sessions === 0 && answer.metrics.unique_visitors === 0;
  return (
    <main className="mx-auto flex w-full max-w-6xl flex-col gap-4 px-4 py-5 sm:px-6">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h1 className="text-xl font-semibold tracking-tight">{project.name}</h1>
        <RangePicker period={period} answer={answer} change={setPeriod} />
      </div>
      <section className="card" aria-label="Main numbers" aria-busy={metrics.isFetching}>
        {metrics.isError && answer === undefined ? (
          <Failure error={metrics.error} retry={() => void metrics.refetch()} />
        ) : (
          <>
            <MetricTabs figures={answer?.metrics} selected={selected} select={setSelected} />
            <div id="chart" role="tabpanel" aria-label="Chart" className="relative p-3 sm:p-5">
              {answer === undefined ? (
                <ChartSkeleton />
              ) : (
                <Suspense fallback={<ChartSkeleton />}>
                  <MainChart answer={answer} metric={metricNamed(selected)} at={metrics.dataUpdatedAt} />
                </Suspense>
              )}
              {nothing && (
                <p
                  data-testid="empty"
                  className="text-soft absolute inset-0 flex items-center justify-center p-8 text-center text-sm"
                >
                  Nothing in this period yet. Events show up here seconds after they are sent.
                </p>
              )}
            </div>
          </>
        )}
      </section>
      <div className="grid gap-4 md:grid-cols-2">
        <Pages period={period} />
        <Sources period={period} />
        <Places period={period} />
        <Devices period={period} />
        <div className="md:col-span-2">
          <Events period={period} />
        </div>
      </div>
    </main>
  );
}

function ChartSkeleton() {
  return <div className="skeleton h-64 sm:h-80" role="status" aria-label="Loading" />;
}
