import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { ApiError } from './lib/api/errors';
import './styles/tokens.css';
import './styles/base.css';
import './styles/header.css';
import './styles/library.css';
import './styles/viewer.css';
import './styles/panel.css';
import './styles/rows.css';
import './styles/resume.css';
import './styles/sign-in.css';
import './styles/connections.css';
import './styles/job.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // What the server refused once it refuses again.
      retry: (failures, error) => failures < 3 && !(error instanceof ApiError && error.status < 500),
    },
  },
});

// The one-time code is taken out of the address at once, so that it stays in no history.
const linkCode = /^#code=(.+)$/.exec(window.location.hash)?.[1] ?? null;
if (linkCode !== null) window.history.replaceState(null, '', window.location.pathname);

const root = document.getElementById('root');
if (!root) throw new Error('The page has no #root.');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App linkCode={linkCode} />
    </QueryClientProvider>
  </StrictMode>,
);
