import { keepPreviousData, useQuery, type UseQueryResult } from '@tanstack/react-query';
import { type Dimension, type EventNameRow, type Metrics, type PageRow, type SessionsRow, unwrap } from '../api/client';
import { useSignedIn } from '../api/session';
import { type Period, periodQuery } from './period';

export const LIST_LENGTH = 50;
const FRESH = { refetchInterval: 30_000, placeholderData: keepPreviousData } as const;

export function useMetrics(period: Period): UseQueryResult<Metrics> {
  const { api, project } = useSignedIn();
  return useQuery({
    ...FRESH,
    queryKey: ['metrics', project.id, period],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET('/insights/{projectId}/metrics', {
          params: { path: { projectId: project.id }, query: periodQuery(period) },
          signal,
        }),
      ),
  });
}

export function usePages(period: Period): UseQueryResult<PageRow[]> {
  const { api, project } = useSignedIn();
  return useQuery({
    ...FRESH,
    queryKey: ['pages', project.id, period],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET('/insights/{projectId}/pages', {
          params: { path: { projectId: project.id }, query: { ...periodQuery(period), limit: LIST_LENGTH } },
          signal,
        }),
      ),
  });
}

export function useEventNames(period: Period): UseQueryResult<EventNameRow[]> {
  const { api, project } = useSignedIn();
  return useQuery({
    ...FRESH,
    queryKey: ['events', project.id, period],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET('/insights/{projectId}/events/names', {
          params: { path: { projectId: project.id }, query: { ...periodQuery(period), limit: LIST_LENGTH } },
          signal,
        }),
      ),
  });
}

export function useSessionsBy(dimension: Dimension, period: Period): UseQueryResult<SessionsRow[]> {
  const { api, project } = useSignedIn();
  return useQuery({
    ...FRESH,
    queryKey: ['sessions', dimension, project.id, period],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET('/insights/{projectId}/{dimension}', {
          params: { path: { projectId: project.id, dimension }, query: { ...periodQuery(period), limit: LIST_LENGTH } },
          signal,
        }),
      ),
  });
}
