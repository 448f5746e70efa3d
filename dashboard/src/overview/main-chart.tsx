import { useMemo } from 'react';
import type { Metrics } from '../api/client';
import { LineChart } from '../chart/line-chart';
import { useTheme } from '../ui/theme';
import type { Metric } from './metric';
import { chartData } from './series';

/** The chosen metric over time, with the period before as a dashed line. */
export function MainChart({ answer, metric, at }: { answer: Metrics; metric: Metric; at: number }) {
  const [theme] = useTheme();
  const data = useMemo(() => chartData(answer, metric, at), [answer, metric, at]);
  return (
    <>
      <LineChart data={data} theme={theme} />
      <div className="sr-only">
        <table>
          <caption>{metric.label} over time</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">{metric.label}</th>
              <th scope="col">Previous period</th>
            </tr>
          </thead>
          <tbody>
            {data.points
              .filter((point) => point.now !== null)
              .map((point) => (
                <tr key={point.long}>
                  <th scope="row">{point.long}</th>
                  <td>{data.format(point.now ?? 0)}</td>
                  <td>{data.format(point.before)}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
