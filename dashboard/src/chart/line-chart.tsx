import { LineChart as LineSeries } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { init, use as register, type EChartsType } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';
import type { Theme } from '../ui/theme';
import { chartOption, type ChartColours, type ChartData } from './option';

register([LineSeries, GridComponent, TooltipComponent, CanvasRenderer]);

function colours(): ChartColours {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {
    font: getComputedStyle(document.body).fontFamily,
    accent: value('--accent'),
    faint: value('--faint'),
    line: value('--line'),
    card: value('--card'),
    ink: value('--ink'),
  };
}

/** Two lines over time. What it shows stands beside it as a table for those who cannot see it. */
export function LineChart({ data, theme }: { data: ChartData; theme: Theme }) {
  const element = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);

  useEffect(() => {
    if (element.current === null) return;
    const made = init(element.current);
    chart.current = made;
    const observer = new ResizeObserver(() => {
      made.resize();
    });
    observer.observe(element.current);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  useEffect(() => {
    const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    chart.current?.setOption(chartOption(data, colours(), !still), { notMerge: true });
  }, [data, theme]);

  return <div ref={element} className="h-64 w-full sm:h-80" aria-hidden="true" />;
}
