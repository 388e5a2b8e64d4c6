/** Where tiles stand: pure arithmetic over the room there is. */

const GAP = 10;
/** Pictures may be as wide as a camera's; on a high screen as high as a phone's, on a wide one that would cut heads off. */
const WIDEST = 16 / 9;
const HIGHEST = { wide: 4 / 3, high: 4 / 5 };
/** Smaller than that, a tile in a strip says nothing; what does not fit is left out, and its picture not asked for. */
const STRIP = { side: 208, bottom: 96 };

/** How many columns and rows give each of `count` tiles the largest area, and how large it is; null where there is no room at all. */
export function shapeOf(count, { width, height }) {
  let best = null;
  const highest = width > height ? HIGHEST.wide : HIGHEST.high;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - GAP * (columns - 1)) / columns;
    const cellHeight = (height - GAP * (rows - 1)) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const w = Math.min(cellWidth, cellHeight * WIDEST);
    const h = Math.min(cellHeight, w / highest);
    if (!best || w * h > best.w * best.h) best = { columns, rows, w, h };
  }
  return best;
}

/** Where each of `count` tiles is in that grid; the last row is centred. */
export function gridOf(count, { x = 0, y = 0, width, height }) {
  const best = shapeOf(count, { width, height });
  if (!best) return [];
  const { columns, rows, w, h } = best;
  const top = y + (height - rows * h - GAP * (rows - 1)) / 2;
  return Array.from({ length: count }, (_, at) => {
    const row = Math.floor(at / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = x + (width - inRow * w - GAP * (inRow - 1)) / 2;
    return { x: left + (at % columns) * (w + GAP), y: top + row * (h + GAP), w, h };
  });
}

/** One large tile and a strip beside it, or below it where the room is high. `boxes[0]` is the large one. */
export function focusOf(count, { width, height }) {
  if (count === 1) return gridOf(1, { width, height });
  const isWide = width > height * 1.2;
  const strip = isWide ? Math.min(STRIP.side, width / 4) : Math.min(STRIP.bottom, height / 4);
  const [w, h] = isWide ? [strip, strip / WIDEST] : [strip * (4 / 3), strip];
  const along = isWide ? height : width;
  const each = isWide ? h : w;
  const fit = Math.max(Math.min(count - 1, Math.floor((along + GAP) / (each + GAP))), 1);
  const start = (along - fit * each - GAP * (fit - 1)) / 2;
  const large = isWide ? { x: 0, y: 0, w: width - strip - GAP, h: height } : { x: 0, y: 0, w: width, h: height - strip - GAP };
  const boxes = [large];
  for (let at = 0; at < fit; at++) {
    const offset = start + at * (each + GAP);
    boxes.push(isWide ? { x: width - strip, y: offset, w, h } : { x: offset, y: height - strip, w, h });
  }
  return boxes;
}
