import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const SERVER = process.env.SAFELIGHT_SERVER ?? 'http://127.0.0.1:8080';

// The page of SockJS's iframe transports loads the client from the server itself, never from a CDN.
const sockjsForIframes = {
  name: 'sockjs-for-iframes',
  generateBundle(this: { emitFile: (file: { type: 'asset'; fileName: string; source: string }) => string }) {
    const source = readFileSync(new URL('node_modules/sockjs-client/dist/sockjs.min.js', import.meta.url), 'utf8');
    this.emitFile({ type: 'asset', fileName: 'sockjs.min.js', source });
  },
};

export default defineConfig({
  plugins: [react(), sockjsForIframes],
  envPrefix: ['VITE_', 'NEXT_PUBLIC_'],
  build: {
    outDir: '../src/safelight/page',
    emptyOutDir: true,
    target: 'es2022',
    // What others wrote changes seldom: browsers keep it from one version of the page to the next.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: 'libraries', test: /node_modules/, tags: ['$initial'] }] } },
    },
  },
  worker: { format: 'es' },
  server: {
    host: '127.0.0.1',
    port: 5173,
    strictPort: true,
    proxy: {
      // The server signs URLs for the host that it was asked by: it must see the page's own.
      '^/(api|commands|queries|health|storage)/': { target: SERVER, changeOrigin: false },
      '/ws': { target: SERVER, changeOrigin: false, ws: true },
    },
  },
  test: {
    include: ['tests/**/*.test.{ts,tsx}'],
    restoreMocks: true,
  },
});
