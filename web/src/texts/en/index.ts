import { connections } from './connections';
import { job } from './job';
import { library } from './library';
import { page } from './page';
import { panel } from './panel';

/** English: the catalogue that says which texts there are, and what is put into each. */
export const en = { ...page, ...library, ...panel, ...job, ...connections } as const;
