import { connections } from './connections';
import { faults } from './faults';
import { job } from './job';
import { library } from './library';
import { page } from './page';
import { panel } from './panel';
import { resume } from './resume';

/** English: the catalogue that says which texts there are, and what is put into each. */
export const en = { ...page, ...library, ...panel, ...job, ...resume, ...connections, ...faults } as const;
