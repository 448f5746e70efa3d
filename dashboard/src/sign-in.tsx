import { useState, type SyntheticEvent } from 'react';
import type { Credentials } from './api/client';
import { ThemeButton } from './header';
import { Logo } from './ui/icons';

interface Props {
  busy: boolean;
  message: string | null;
  signIn: (credentials: Credentials) => void;
}

export function SignIn({ busy, message, signIn }: Props) {
  const [clientId, setClientId] = useState('');
  const [clientSecret, setClientSecret] = useState('');

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    signIn({ clientId: clientId.trim(), clientSecret: clientSecret.trim() });
  }

  const field =
    'border-line bg-ground mt-1 w-full rounded-lg border px-3 py-2 font-mono text-sm placeholder:text-faint/70';
  return (
    <div className="relative flex min-h-dvh flex-col items-center justify-center px-4 py-10">
      <div className="absolute right-3 top-3">
        <ThemeButton />
      </div>
      <main className="card w-full max-w-sm p-7 shadow-sm">
        <div className="mb-6 flex items-center gap-3">
          <Logo />
          <h1 className="text-lg font-semibold tracking-tight">Sign in to Weir</h1>
        </div>
        <form onSubmit={submit} className="flex flex-col gap-4" aria-busy={busy}>
          <label className="text-soft text-sm font-medium">
            Client id
            <input
              required
              autoFocus
              name="client-id"
              autoComplete="username"
              spellCheck={false}
              value={clientId}
              onChange={(event) => {
                setClientId(event.target.value);
              }}
              className={field}
            />
          </label>
          <label className="text-soft text-sm font-medium">
            Client secret
            <input
              required
              type="password"
              name="client-secret"
              autoComplete="current-password"
              value={clientSecret}
              onChange={(event) => {
                setClientSecret(event.target.value);
              }}
              className={field}
            />
          </label>
          {message !== null && (
            <p role="alert" className="text-bad text-sm">
              {message}
            </p>
          )}
          <button
            type="submit"
            disabled={busy}
            className="bg-accent text-accent-ink rounded-lg py-2 text-sm font-semibold transition-opacity hover:opacity-90 disabled:opacity-60"
          >
            {busy ? 'Signing in…' : 'Sign in'}
          </button>
        </form>
        <p className="text-faint mt-5 text-xs leading-relaxed">
          Use the id and the secret of a read client. They stay in this tab and are forgotten when you close it.
        </p>
      </main>
    </div>
  );
}
