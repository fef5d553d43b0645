// `node server.js PORT FOLDER`: @tus/server with its file store, as its README has it, and the page beside it.
// GET /finished says how many uploads have arrived whole.
import { createServer } from 'node:http';
import { EVENTS, Server } from '@tus/server';
import { FileStore } from '@tus/file-store';
import { build } from 'esbuild';

const [port, directory] = process.argv.slice(2);
const HTML = `<!doctype html><meta charset="utf-8"><title>Uppy</title><link rel="stylesheet" href="/page.css">
<div id="dashboard"></div><script src="/page.js"></script>`;

const { outputFiles } = await build({
  entryPoints: [new URL('page.js', import.meta.url).pathname],
  bundle: true,
  minify: true,
  define: { 'process.env.NODE_ENV': '"production"' },
  outdir: '/',
  write: false,
});
const pages = new Map([['/', ['text/html', HTML]]]);
for (const { path, text } of outputFiles) pages.set(path, [path.endsWith('.css') ? 'text/css' : 'text/javascript', text]);

let finished = 0;
const tus = new Server({ path: '/files', datastore: new FileStore({ directory }) });
tus.on(EVENTS.POST_FINISH, () => finished++);

createServer((request, response) => {
  const page = request.url === '/finished' ? ['text/plain', String(finished)] : pages.get(request.url);
  if (!page) return tus.handle(request, response);
  response.writeHead(200, { 'content-type': page[0] });
  response.end(page[1]);
}).listen(Number(port), '127.0.0.1');
