// Fails where src/types/api.ts is not what `npm run types` makes of openapi.json.
import { readFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

const HEADER = /^\/\*\*[\s\S]*?\*\/\s*/;
const fresh = astToString(await openapiTS(new URL('../openapi.json', import.meta.url)));
const kept = await readFile(new URL('../src/types/api.ts', import.meta.url), 'utf8');
if (kept.replace(HEADER, '').trim() !== fresh.trim()) {
  console.error('src/types/api.ts is stale. Run `make types`, or `npm run types`.');
  process.exit(1);
}
