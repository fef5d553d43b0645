/** How a picture is looked at: `scale` 1 is the whole of it, x and y pixels that its middle is off the stage's. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export interface Box {
  width: number;
  height: number;
}

export const WHOLE: View = { scale: 1, x: 0, y: 0 };
// Of the picture's own pixels, each may become so many of the screen's.
const PIXEL_AT_MOST = 4;
const LEAST_MOST = 4;

/** The size in which a picture fits a stage; never more than its own pixels, where it is smaller. */
export function fitted(picture: Box, stage: Box): Box {
  const by = Math.min(1, stage.width / picture.width, stage.height / picture.height);
  return { width: picture.width * by, height: picture.height * by };
}

/** As far as one may zoom in. */
export function mostScale(picture: Box, fit: Box): number {
  return Math.max(LEAST_MOST, (picture.width / fit.width) * PIXEL_AT_MOST);
}

/** Scaled by `factor` around a point of the stage (pixels from its middle), which stays where it is. */
export function zoomed(view: View, factor: number, point: { x: number; y: number }, most: number): View {
  const scale = Math.min(most, Math.max(1, view.scale * factor));
  const by = scale / view.scale;
  return { scale, x: point.x - (point.x - view.x) * by, y: point.y - (point.y - view.y) * by };
}

/** Moved back so that the picture covers the stage, or stands in its middle where it is smaller. */
export function kept({ scale, x, y }: View, fit: Box, stage: Box): View {
  const room = (picture: number, available: number) => Math.max(0, (picture * scale - available) / 2);
  const within = (value: number, most: number) => Math.max(-most, Math.min(most, value)) + 0;
  return { scale, x: within(x, room(fit.width, stage.width)), y: within(y, room(fit.height, stage.height)) };
}
