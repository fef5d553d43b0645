/** Which photos are selected, and from which one a range reaches. */
export interface Selection {
  ids: ReadonlySet<string>;
  /** The photo that was selected or deselected last. */
  anchor: { photoId: string; position: number } | null;
}

export const NONE: Selection = { ids: new Set(), anchor: null };

/** One photo more, or one less. */
export function toggled({ ids }: Selection, photoId: string, position: number): Selection {
  const next = new Set(ids);
  if (!next.delete(photoId)) next.add(photoId);
  return { ids: next, anchor: { photoId, position } };
}

/** These photos too; the range that comes next reaches from where the last one did. */
export function extended({ ids, anchor }: Selection, more: Iterable<string>): Selection {
  const next = new Set(ids);
  for (const photoId of more) next.add(photoId);
  return { ids: next, anchor };
}

/** All of these, or, where they were all selected, none of them. */
export function flipped(selection: Selection, photoIds: readonly string[]): Selection {
  if (!photoIds.every((photoId) => selection.ids.has(photoId))) return extended(selection, photoIds);
  return without(selection, photoIds);
}

export function without({ ids, anchor }: Selection, gone: Iterable<string>): Selection {
  const next = new Set(ids);
  for (const photoId of gone) next.delete(photoId);
  return { ids: next, anchor: anchor && next.has(anchor.photoId) ? anchor : null };
}

/** The part of `photoIds`, in their order, from one of two photos to the other; nothing where either is not among them. */
export function between(photoIds: readonly string[], one: string, other: string): string[] {
  const [a, b] = [photoIds.indexOf(one), photoIds.indexOf(other)];
  return a < 0 || b < 0 ? [] : photoIds.slice(Math.min(a, b), Math.max(a, b) + 1);
}

/** `photoIds` in pieces of at most `size`. */
export function pieces(photoIds: readonly string[], size: number): string[][] {
  return Array.from({ length: Math.ceil(photoIds.length / size) }, (_, at) =>
    photoIds.slice(at * size, (at + 1) * size),
  );
}
