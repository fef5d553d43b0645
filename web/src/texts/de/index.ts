import type { Catalogue } from '../catalogue';
import { connections } from './connections';
import { job } from './job';
import { library } from './library';
import { page } from './page';
import { panel } from './panel';

/** German. A key that is missing does not compile. */
export const de: Catalogue = { ...page, ...library, ...panel, ...job, ...connections };
