import createClient, { type Client } from 'openapi-fetch';
import type { components, operations, paths } from './schema';

export type Project = components['schemas']['ProjectAnswer'];
export type Metrics = components['schemas']['MetricsAnswer'];
export type Part = components['schemas']['Part'];
export type PageRow = components['schemas']['PageRow'];
export type SessionsRow = components['schemas']['SessionsRow'];
export type EventNameRow = components['schemas']['EventNameRow'];
export type Dimension = components['schemas']['Dimension'];
export type Range = components['schemas']['Range'];
export type Interval = components['schemas']['Interval'];
export type PeriodQuery = NonNullable<operations['get_metrics']['parameters']['query']>;

export interface Credentials {
  clientId: string;
  clientSecret: string;
}

export type Api = Client<paths>;

/** An answer that is not a result. `status` is 0 when the server could not be reached at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export function createApi(credentials: Credentials): Api {
  return createClient<paths>({
    headers: {
      'openpanel-client-id': credentials.clientId,
      'openpanel-client-secret': credentials.clientSecret,
    },
  });
}

interface Result<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer; throws ApiError for everything else, so that queries have one kind of failure. */
export async function unwrap<T>(request: Promise<Result<T>>): Promise<T> {
  let result: Result<T>;
  try {
    result = await request;
  } catch {
    throw new ApiError(0, 'The server cannot be reached.');
  }
  if (result.data !== undefined && result.response.ok) return result.data;
  throw new ApiError(result.response.status, messageOf(result.error) ?? 'The server gave no answer.');
}

function messageOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' ? error.message : undefined;
}
