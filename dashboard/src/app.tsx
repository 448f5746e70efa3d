import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { ApiError, createApi, type Credentials, unwrap } from './api/client';
import { type SignedIn, SignedInContext, storeCredentials, storedCredentials } from './api/session';
import { Footer } from './footer';
import { Header } from './header';
import { Overview } from './overview/overview';
import { SignIn } from './sign-in';

const RETRIES = 2;

function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        // What the server refused once it refuses again; only its absence passes.
        retry: (count, error) =>
          count < RETRIES && error instanceof ApiError && (error.status === 0 || error.status === 503),
      },
    },
  });
}

export function App() {
  const [queries] = useState(createQueryClient);
  return (
    <QueryClientProvider client={queries}>
      <Entrance />
    </QueryClientProvider>
  );
}

/** Who may see what: nobody without credentials that open at least one project. */
function Entrance() {
  const [credentials, setCredentials] = useState(storedCredentials);
  const [projectId, setProjectId] = useState<string | null>(null);
  const api = useMemo(() => (credentials === null ? null : createApi(credentials)), [credentials]);
  const projects = useQuery({
    queryKey: ['projects', credentials?.clientId, credentials?.clientSecret],
    queryFn: async () => {
      if (api === null) throw new Error('nobody is signed in');
      const found = await unwrap(api.GET('/projects'));
      storeCredentials(credentials);
      return found;
    },
    enabled: api !== null,
    refetchInterval: 60_000,
  });

  function signIn(next: Credentials | null): void {
    if (next === null) storeCredentials(null);
    else if (next.clientId === credentials?.clientId && next.clientSecret === credentials.clientSecret) {
      void projects.refetch();
    }
    setCredentials(next);
    setProjectId(null);
  }

  const refused = projects.error instanceof ApiError && projects.error.status === 401;
  const list = refused ? undefined : projects.data;
  const project = list?.find((one) => one.id === projectId) ?? list?.[0];
  if (api === null || credentials === null || list === undefined || project === undefined) {
    return (
      <SignIn busy={projects.isFetching && api !== null} message={messageOf(projects.error, list)} signIn={signIn} />
    );
  }
  const signedIn: SignedIn = {
    api,
    credentials,
    project,
    projects: list,
    chooseProject: setProjectId,
    signOut: () => {
      signIn(null);
    },
  };
  return (
    <SignedInContext value={signedIn}>
      <Header />
      <Overview key={project.id} />
      <Footer />
    </SignedInContext>
  );
}

/** What the query API says of a client that exists, with the right secret. */
const NOT_A_READER = 'Client is not allowed to read';

function messageOf(error: Error | null, projects: unknown[] | undefined): string | null {
  if (projects?.length === 0) return 'This client may read no project yet.';
  if (error === null) return null;
  if (error instanceof ApiError && error.status === 401) {
    return error.message === NOT_A_READER
      ? 'That is a write client: it sends events and reads nothing. Sign in with a read client.'
      : 'That id and secret do not open any project.';
  }
  return error instanceof ApiError ? error.message : 'Something went wrong.';
}
