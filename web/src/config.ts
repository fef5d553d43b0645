/** Where the server is: the page's own origin, unless the build was told otherwise (.env.local.example). */
const env = import.meta.env as Record<string, string | undefined>;

function setting(name: string): string | undefined {
  return env[`VITE_${name}`] ?? env[`NEXT_PUBLIC_${name}`];
}

/** Prefix of commands and queries, without a slash at its end; empty for the page's own origin. */
export const API_URL = (setting('API_URL') ?? '').replace(/\/+$/, '');

/** The server's origin. */
export function apiOrigin(): string {
  return API_URL ? new URL(API_URL).origin : window.location.origin;
}

/** The live channel's absolute URL. */
export function webSocketUrl(): string {
  const given = setting('WS_URL');
  if (given) return given;
  const base = new URL(API_URL || window.location.origin);
  return `${base.protocol === 'https:' ? 'wss:' : 'ws:'}//${base.host}/ws`;
}
