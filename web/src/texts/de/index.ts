import type { Catalogue } from '../catalogue';
import { connections } from './connections';
import { faults } from './faults';
import { job } from './job';
import { library } from './library';
import { page } from './page';
import { panel } from './panel';
import { resume } from './resume';

/** German. A key that is missing does not compile. */
export const de: Catalogue = { ...page, ...library, ...panel, ...job, ...resume, ...connections, ...faults };
