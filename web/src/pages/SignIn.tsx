import { useQuery } from '@tanstack/react-query';
import { type SubmitEvent, useState } from 'react';
import { auth } from '../app';
import { signInOptions } from '../lib/api/auth';
import { ApiError, sentenceOf } from '../lib/api/errors';
import { useTexts } from '../hooks/useTexts';
import { Logo } from '../components/layout/Logo';

type Mode = 'sign-in' | 'register';

/** Sign in, or make an account where the server takes them. `reason` says why one has to, where that is a surprise. */
export function SignIn({ reason, linking }: { reason: string | null; linking: boolean }) {
  const say = useTexts();
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
        <h1>{say(registering ? 'signIn.register' : 'signIn.title')}</h1>
        <p className="sign-in-lead">
          {say(linking ? 'signIn.linking' : registering ? 'signIn.registerLead' : 'signIn.lead')}
        </p>
        {(problem ?? reason) && (
          <p className="sign-in-problem" role="alert">
            {problem ?? reason}
          </p>
        )}
        <label>
          {say('signIn.email')}
          <input name="email" type="email" autoComplete="username" required disabled={linking} />
        </label>
        <label>
          {say('signIn.password')}
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
          {say(registering ? 'signIn.submitRegister' : 'signIn.submit')}
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
            {say(registering ? 'signIn.toSignIn' : 'signIn.toRegister')}
          </button>
        )}
        <p className="hint">{say('signIn.hint')}</p>
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
