import { useQuery } from '@tanstack/react-query';
import { type SubmitEvent, useState } from 'react';
import { auth } from '../app';
import { signInOptions } from '../lib/api/auth';
import { ApiError, sentenceOf } from '../lib/api/errors';
import { Logo } from '../components/layout/Logo';

type Mode = 'sign-in' | 'register';

/** Sign in, or make an account where the server takes them. `reason` says why one has to, where that is a surprise. */
export function SignIn({ reason, linking }: { reason: string | null; linking: boolean }) {
  const [mode, setMode] = useState<Mode>('sign-in');
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const options = useQuery({ queryKey: ['sign-in-options'], queryFn: signInOptions, retry: 2 });
  const open = options.data?.registration === 'open';
  const registering = mode === 'register' && open;

  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [email, password] = [text(form, 'email'), text(form, 'password')];
    setBusy(true);
    setProblem(null);
    (registering ? auth.register(email, password) : auth.logIn(email, password))
      .catch((error: unknown) => {
        setProblem(wordsOf(error));
      })
      .finally(() => {
        setBusy(false);
      });
  };

  return (
    <main className="sign-in">
      <form className="sign-in-card" onSubmit={submit} aria-busy={busy || linking}>
        <Logo />
        <h1>{registering ? 'Make an account' : 'Safelight'}</h1>
        <p className="sign-in-lead">
          {linking
            ? 'Signing you in…'
            : registering
              ? 'One address, one password, and every photo arrives.'
              : 'Watch your photos develop.'}
        </p>
        {(problem ?? reason) && (
          <p className="sign-in-problem" role="alert">
            {problem ?? reason}
          </p>
        )}
        <label>
          E-mail address
          <input name="email" type="email" autoComplete="username" required disabled={linking} />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            autoComplete={registering ? 'new-password' : 'current-password'}
            minLength={registering ? 8 : undefined}
            required
            disabled={linking}
          />
        </label>
        <button type="submit" className="button button-primary" disabled={busy || linking}>
          {registering ? 'Make the account' : 'Sign in'}
        </button>
        {open && (
          <button
            type="button"
            className="text-button"
            onClick={() => {
              setMode(registering ? 'sign-in' : 'register');
              setProblem(null);
            }}
          >
            {registering ? 'I have an account' : 'Make an account'}
          </button>
        )}
        <p className="hint">On the server’s own machine, the link that it printed signs you in without a password.</p>
      </form>
    </main>
  );
}

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
}

function wordsOf(error: unknown): string {
  if (!(error instanceof ApiError) || error.fields.length === 0) return sentenceOf(error);
  return error.fields.map(({ field, message }) => `${field}: ${message}`).join(' · ');
}
