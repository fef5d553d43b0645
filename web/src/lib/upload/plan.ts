import type { Item } from '../../types/wire';

/** The server's answer to a photo's declaration, as long as its URLs may be used. */
export interface Plan {
  item: Item;
  /** When it came, Unix milliseconds. */
  at: number;
}
