import { createContext, use } from 'react';
import type { Api, Credentials, Project } from './client';

/** Someone who is signed in, and the project being looked at. */
export interface SignedIn {
  api: Api;
  credentials: Credentials;
  project: Project;
  projects: Project[];
  chooseProject: (id: string) => void;
  signOut: () => void;
}

export const SignedInContext = createContext<SignedIn | null>(null);

export function useSignedIn(): SignedIn {
  const signedIn = use(SignedInContext);
  if (signedIn === null) throw new Error('nobody is signed in here');
  return signedIn;
}

const KEY = 'weir-credentials';

/** Credentials live as long as the tab: until there are accounts, a secret is all there is to sign in with. */
export function storedCredentials(): Credentials | null {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    return isCredentials(value) ? value : null;
  } catch {
    return null;
  }
}

export function storeCredentials(credentials: Credentials | null): void {
  try {
    if (credentials === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(credentials));
  } catch {
    // Without storage one signs in again after a reload.
  }
}

function isCredentials(value: unknown): value is Credentials {
  return (
    typeof value === 'object' &&
    value !== null &&
    'clientId' in value &&
    'clientSecret' in value &&
    typeof value.clientId === 'string' &&
    typeof value.clientSecret === 'string'
  );
}
