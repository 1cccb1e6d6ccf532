// Draws rows of the timeline on a canvas. A frame costs what it shows: per row it walks the
// pixel columns and looks the spans up, instead of walking the spans.
import type { Row } from "./layout";
import { isFailure, isRetried, State, type Model } from "./model";
import { gallop, lowerBound, upperBound } from "./search";
import { levels, taskColours, type Theme } from "./theme";
import type { Steps, Track } from "./track";
import type { Warp } from "./warp";

/** The map between time and pixels of one frame. */
export class Scale {
  readonly edges: Float64Array; // edges[k]: the time at the left side of pixel column k
  readonly from: number; // the place at x = 0: a whole number of pixels, so that panning does not flicker

  constructor(
    readonly warp: Warp,
    place: number,
    readonly perPixel: number, // µs of the axis
    readonly width: number,
  ) {
    this.from = Math.floor(place / perPixel) * perPixel;
    this.edges = new Float64Array(width + 1);
    for (let k = 0; k <= width; k++) this.edges[k] = warp.time(this.from + k * perPixel);
  }

  x(t: number): number {
    return (this.warp.place(t) - this.from) / this.perPixel;
  }

  time(x: number): number {
    return this.warp.time(this.from + x * this.perPixel);
  }

  get first(): number {
    return this.edges[0]!;
  }

  get last(): number {
    return this.edges[this.width]!;
  }
}

/** Rectangles by colour, so that a frame changes the colour seldom. */
class Buckets {
  private readonly lists: number[][] = [];

  add(bucket: number, x: number, y: number, w: number, h: number): void {
    const list = (this.lists[bucket] ??= []);
    const n = list.length;
    // Neighbours of one colour become one rectangle.
    if (n > 0 && list[n - 3] === y && list[n - 4]! + list[n - 2]! === x) list[n - 2]! += w;
    else list.push(x, y, w, h);
  }

  fill(c: CanvasRenderingContext2D, theme: Theme): void {
    this.lists.forEach((list, bucket) => {
      c.fillStyle = theme.shades[Math.floor(bucket / levels)]![bucket % levels]!;
      for (let k = 0; k < list.length; k += 4) c.fillRect(list[k]!, list[k + 1]!, list[k + 2]!, list[k + 3]!);
    });
  }
}

/**
 * Rows of single pixels, which are drawn as high as a bar: where all is dense, one copied
 * image costs far less than a rectangle for each pixel.
 */
class Dense {
  private readonly canvas = document.createElement("canvas");
  private image: ImageData | null = null;
  private words = new Uint32Array(0);
  private places: { y: number; h: number }[] = [];
  private width = 0;

  /** Begins a frame that has at most rows rows. */
  begin(width: number, rows: number): void {
    this.places = [];
    if (width !== this.width || !this.image || this.image.height < rows) {
      this.width = width;
      this.canvas.width = width;
      this.canvas.height = Math.max(rows, this.image?.height ?? 0, 32);
      this.image = new ImageData(width, this.canvas.height);
      this.words = new Uint32Array(this.image.data.buffer);
    }
    this.words.fill(0, 0, width * rows);
  }

  /** Adds a row; the index of its first pixel. */
  row(y: number, h: number): number {
    this.places.push({ y, h });
    return (this.places.length - 1) * this.width;
  }

  set(index: number, word: number): void {
    this.words[index] = word;
  }

  draw(c: CanvasRenderingContext2D, left: number): void {
    const own = this.canvas.getContext("2d");
    if (!own || !this.image || this.places.length === 0) return;
    own.putImageData(this.image, 0, 0, 0, 0, this.width, this.places.length);
    c.imageSmoothingEnabled = false;
    this.places.forEach((p, k) => c.drawImage(this.canvas, 0, k, this.width, 1, left, p.y, this.width, p.h));
  }
}

// Kept from frame to frame.
const denseBars = new Dense();
const denseFaint = new Dense();

/** What the painter needs to know of a frame. */
export interface Frame {
  c: CanvasRenderingContext2D;
  m: Model;
  theme: Theme;
  scale: Scale;
  left: number; // where the columns begin
  colours: Uint8Array; // of tasks
  hatch: CanvasPattern | null; // over failures
  dead: CanvasPattern | null; // lanes that are down
}

const labelRoom = 46; // pixels that a bar needs to carry its name

/** Draws the bars of one lane. faint: as what a filter has left out. */
export class SlotPainter {
  private readonly buckets = new Buckets();
  private readonly labels: { x: number; y: number; w: number; text: string; span: number }[] = [];
  private readonly outlines: { x: number; y: number; w: number; h: number }[] = [];
  private readonly waits: number[] = [];

  private readonly dense: Dense;

  constructor(
    private readonly f: Frame,
    private readonly faint: boolean,
    rows: number,
  ) {
    this.dense = faint ? denseFaint : denseBars;
    this.dense.begin(f.scale.width, rows);
  }

  row(track: Track, y: number, h: number): void {
    const { m, scale, colours } = this.f;
    const { edges, width } = scale;
    const now = m.now;
    const end = scale.last;
    const by = y + 3;
    const bh = h - 6;
    const pixels = this.f.theme.pixels;
    const pixel = this.dense.row(by, bh);
    const onePerPixel = 1 / scale.perPixel;
    const from = scale.from;
    const straight = scale.warp.gaps === 0;
    let p = track.after(scale.first);
    let before = p > 0 ? track.end[p - 1]! : -Infinity;
    while (p < track.n && track.start[p]! < end) {
      const span = track.span[p]!;
      const s = track.start[p]!;
      const e = Math.min(track.end[p]!, Math.max(now, s));
      const x0 = straight ? (s - from) * onePerPixel : scale.x(s);
      const x1 = straight ? (e - from) * onePerPixel : scale.x(e);
      if (!this.faint && s - before > scale.perPixel && m.queued[span]! < s) this.wait(Math.max(m.queued[span]!, before), s, y + h / 2);
      before = e;
      if (x1 - x0 >= 2) {
        this.bar(span, x0, x1, by, bh, track.end[p] === Infinity);
        p++;
        continue;
      }
      // All spans that start in this pixel column become one shade: how busy it was.
      const k = Math.min(width - 1, Math.max(0, Math.floor(x0)));
      let q = gallop(track.start, edges[k + 1]!, p + 1, track.n);
      if (q - p > 1) {
        const z = q - 1;
        const ze = Math.min(track.end[z]!, Math.max(now, track.start[z]!));
        if (scale.x(ze) - scale.x(track.start[z]!) >= 2) q = z;
        // Where spans overlap, any of them may be a long one.
        for (let k = p + 1; track.tangled && k < q; k++) if (scale.x(track.end[k]!) - scale.x(track.start[k]!) >= 2) q = k;
      }
      const share = track.busyIn(edges[k]!, edges[k + 1]!, p, q, now) / (edges[k + 1]! - edges[k]!);
      const level = Math.max(q - p === 1 ? 3 : 0, Math.min(levels - 1, Math.round(share * (levels - 1))));
      const middle = track.span[(p + q) >> 1 < q ? (p + q) >> 1 : p]!;
      const colour = this.faint || m.state[middle] === State.cancelled ? taskColours : colours[m.task[middle]!] ?? 0;
      this.dense.set(pixel + k, pixels[colour * levels + (this.faint ? 0 : level)]!);
      before = track.end[q - 1]!;
      p = q;
    }
  }

  private bar(span: number, x0: number, x1: number, y: number, h: number, runs: boolean): void {
    const { m, left, scale, colours } = this.f;
    const a = Math.max(-4, Math.round(x0));
    const b = Math.min(scale.width + 4, Math.max(a + 1, Math.round(x1)));
    const gap = b - a >= 4 ? 1 : 0; // so that neighbours can be told apart
    const state = m.state[span]!;
    const grey = this.faint || (state & 15) === State.cancelled;
    const level = this.faint ? 0 : runs ? 3 : isRetried(state) ? 2 : levels - 1;
    this.buckets.add((grey ? taskColours : colours[m.task[span]!] ?? 0) * levels + level, left + a, y, b - a - gap, h);
    if (this.faint) return;
    if ((isRetried(state) || m.attempt[span]! > 1) && b - a >= 5 && !isFailure(state)) {
      this.outlines.push({ x: left + a, y, w: b - a - gap, h });
    }
    if (b - a >= labelRoom && !isFailure(state)) {
      const from = Math.max(a, 0);
      this.labels.push({ x: left + from + 5, y: y + h / 2 + 0.5, w: b - from - 10, text: m.label(span), span });
    }
  }

  private wait(from: number, to: number, y: number): void {
    const { scale, left } = this.f;
    const x0 = Math.max(0, scale.x(from));
    const x1 = Math.min(scale.width, scale.x(to));
    if (x1 - x0 >= 3) this.waits.push(left + x0, y, x1 - x0 - 1);
  }

  /** Puts on the canvas what the rows have gathered. */
  flush(): void {
    const { c, theme, m } = this.f;
    c.fillStyle = theme.wait;
    for (let k = 0; k < this.waits.length; k += 3) {
      c.fillRect(this.waits[k]!, this.waits[k + 1]! - 0.5, this.waits[k + 2]!, 1);
    }
    this.dense.draw(c, this.f.left);
    this.buckets.fill(c, theme);
    c.lineWidth = 1.5;
    c.strokeStyle = theme.retry;
    for (const o of this.outlines) c.strokeRect(o.x + 0.75, o.y + 0.75, o.w - 1.5, o.h - 1.5);
    c.font = `10px ${theme.font}`;
    c.textBaseline = "middle";
    c.textAlign = "left";
    for (const l of this.labels.slice(0, 600)) {
      const state = m.state[l.span]!;
      const runs = (state & 15) === State.running;
      const again = m.attempt[l.span]! > 1 ? "↻ " : "";
      c.fillStyle = runs || isRetried(state) ? theme.ink : theme.dark ? "#0b0e12" : "#ffffff";
      const text = fitName(c, again, l.text, l.w);
      if (text) c.fillText(text, l.x, l.y);
    }
  }
}

const widths = new Map<string, number>();

/** Fits the name of a bar: of a path that is too long, its last part says most. */
function fitName(c: CanvasRenderingContext2D, mark: string, text: string, room: number): string {
  const whole = fit(c, mark + text, room);
  const slash = text.lastIndexOf("/");
  if (!whole.endsWith("…") || slash < 0 || slash === text.length - 1) return whole;
  return fit(c, mark + text.slice(slash + 1), room);
}

/** Cuts text to at most room pixels, with an ellipsis; "" if nothing fits. */
export function fit(c: CanvasRenderingContext2D, text: string, room: number): string {
  // Measuring is dear: an average width decides, and is measured once a font.
  let w = widths.get(c.font);
  if (w === undefined) widths.set(c.font, (w = c.measureText("abcdefghij0123456789./-_mE").width / 26));
  const letters = Math.floor(room / w);
  if (text.length <= letters) return text;
  return letters < 3 ? "" : text.slice(0, letters - 1) + "…";
}

/** Draws the final failures of a lane, over everything else. One never vanishes, however many spans share its pixel. */
export function paintFailures(f: Frame, track: Track, y: number, h: number): void {
  const { scale, m } = f;
  let p = track.after(scale.first);
  let k = lowerBound(track.failed, p);
  while (k < track.failed.length) {
    p = track.failed[k]!;
    const s = track.start[p]!;
    if (s >= scale.last) break;
    const e = Math.min(track.end[p]!, Math.max(m.now, s));
    const x0 = scale.x(s);
    const x1 = scale.x(e);
    failureBar(f, track.span[p]!, x0, x1, y, h);
    if (x1 - x0 >= 2) {
      k++;
    } else {
      const column = Math.min(scale.width - 1, Math.max(0, Math.floor(x0)));
      k = lowerBound(track.failed, gallop(track.start, scale.edges[column + 1]!, p + 1, track.n), k + 1);
    }
  }
}

function failureBar(f: Frame, span: number, x0: number, x1: number, y: number, h: number): void {
  const { c, theme, m, left, scale } = f;
  const a = Math.max(-4, Math.round(x0));
  const b = Math.min(scale.width + 4, Math.max(a + 3, Math.round(x1) - (x1 - x0 >= 5 ? 1 : 0)));
  const wide = b - a >= 7;
  const top = wide ? y + 3 : y + 1;
  const tall = wide ? h - 6 : h - 2;
  c.fillStyle = theme.fail;
  c.fillRect(left + a, top, b - a, tall);
  if (!wide) return;
  if (f.hatch) {
    c.fillStyle = f.hatch;
    c.fillRect(left + a, top, b - a, tall);
  }
  const state = m.state[span]! & 15;
  const x = left + b;
  c.fillStyle = theme.failInk;
  if (state === State.crash) {
    // A notch: it was cut off.
    c.fillStyle = theme.back;
    c.beginPath();
    c.moveTo(x + 0.5, top);
    c.lineTo(x - 5, top + tall / 2);
    c.lineTo(x + 0.5, top + tall);
    c.fill();
  } else if (state === State.timeout) {
    // A cap: it ran into a wall.
    c.fillStyle = theme.ink;
    c.fillRect(x - 2, top - 2, 2, tall + 4);
  }
  if (b - a >= 12) {
    cross(c, left + Math.max(a, 0) + 6.5, top + tall / 2, 2.8, theme.failInk, 1.6);
    if (b - Math.max(a, 0) >= labelRoom + 8) {
      c.font = `10px ${theme.font}`;
      c.textBaseline = "middle";
      c.textAlign = "left";
      c.fillStyle = theme.failInk;
      const text = fitName(c, "", m.label(span), b - Math.max(a, 0) - 22);
      if (text) c.fillText(text, left + Math.max(a, 0) + 13, top + tall / 2 + 0.5);
    }
  }
}

function cross(c: CanvasRenderingContext2D, x: number, y: number, r: number, colour: string, width: number): void {
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.beginPath();
  c.moveTo(x - r, y - r);
  c.lineTo(x + r, y + r);
  c.moveTo(x + r, y - r);
  c.lineTo(x - r, y + r);
  c.stroke();
}

/** Draws the stretches in which a lane had no worker. */
export function paintDowns(f: Frame, row: Row, y: number): void {
  const { c, scale, left, m } = f;
  for (const [from, to] of m.head.lanes[row.lane]?.downs ?? []) {
    const until = to > from ? to : m.now;
    if (until < scale.first || from > scale.last) continue;
    const x0 = Math.max(0, scale.x(from));
    const x1 = Math.min(scale.width, Math.max(scale.x(until), x0 + 2));
    if (f.dead) {
      c.fillStyle = f.dead;
      c.fillRect(left + x0, y + 3, x1 - x0, row.h - 6);
    }
  }
}

/** Draws an area: how many ran, of at most top; and the failures as ticks that never vanish. */
export function paintArea(f: Frame, steps: Steps, y: number, h: number, top: number, fill: string, stroke: string, failures = true): void {
  const { c, scale, m, left, theme } = f;
  const means = new Float64Array(scale.width);
  steps.means(scale.edges, m.now, means);
  const level = (k: number): number => y + h - Math.min(1, means[k]! / top) * (h - 1);
  c.beginPath();
  c.moveTo(left, y + h);
  for (let k = 0; k < scale.width; k++) {
    const v = level(k);
    c.lineTo(left + k, v);
    c.lineTo(left + k + 1, v);
  }
  c.lineTo(left + scale.width, y + h);
  c.closePath();
  c.fillStyle = fill;
  c.fill();
  // The line is drawn where something ran, and not along nothing.
  c.beginPath();
  for (let k = 0, on = false; k < scale.width; k++) {
    if (means[k]! <= 0) {
      if (on) c.lineTo(left + k, y + h);
      on = false;
      continue;
    }
    if (!on) c.moveTo(left + k, y + h);
    on = true;
    c.lineTo(left + k, level(k));
    c.lineTo(left + k + 1, level(k));
  }
  c.lineWidth = 1;
  c.strokeStyle = stroke;
  c.stroke();
  if (failures) paintTicks(f, steps, y, h, theme.fail);
}

/** Draws a tick for each pixel column in which a failure began. */
export function paintTicks(f: Frame, steps: Steps, y: number, h: number, colour: string): void {
  const { c, scale, m, left } = f;
  const failed = steps.failed;
  c.fillStyle = colour;
  let k = firstEndingAfter(failed, m, scale.first);
  let last = -1;
  for (; k < failed.length; k++) {
    const t = m.start[failed[k]!]!;
    if (t >= scale.last) break;
    const x = Math.max(0, Math.round(scale.x(t)));
    if (x === last) continue;
    last = x;
    c.fillRect(left + x - 1, y, 2.5, h);
  }
}

// Failures are in order of start; one that began before the left side may still reach in.
function firstEndingAfter(list: Uint32Array, m: Model, t: number): number {
  let lo = 0;
  let hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (m.start[list[mid]!]! < t) lo = mid + 1;
    else hi = mid;
  }
  while (lo > 0 && m.endOf(list[lo - 1]!) > t) lo--;
  return lo;
}

/** Draws a counter as steps: each column shows the highest sample in it, so that no spike is lost. */
export function paintCounter(
  f: Frame, t: Float64Array, v: Float32Array, n: number, y: number, h: number, top: number, colour: string,
): void {
  const { c, scale, left, m } = f;
  if (n === 0) return;
  let i = Math.max(0, upperBound(t, scale.first, 0, n) - 1);
  const until = Math.min(scale.width, Math.ceil(scale.x(m.now)));
  c.beginPath();
  let started = false;
  let x = 0;
  for (; x < until; x++) {
    let value = NaN;
    if (t[i]! <= scale.edges[x + 1]!) value = v[i]!;
    while (i + 1 < n && t[i + 1]! < scale.edges[x + 1]!) {
      i++;
      if (!(value >= v[i]!)) value = v[i]!;
    }
    if (!(value === value)) continue;
    const vy = y + h - Math.min(1, value / top) * (h - 1);
    if (!started) {
      c.moveTo(left + x, y + h);
      started = true;
    }
    c.lineTo(left + x, vy);
    c.lineTo(left + x + 1, vy);
  }
  if (!started) return;
  c.lineTo(left + x, y + h);
  c.globalAlpha = 0.18;
  c.fillStyle = colour;
  c.fill();
  c.globalAlpha = 1;
  c.strokeStyle = colour;
  c.lineWidth = 1;
  c.stroke();
}

/** Joins the attempts of calls by hairlines, from the end of one to the start of the next. */
export function paintJoins(
  f: Frame, calls: Iterable<number[]>, middle: (lane: number) => number | null, colour: string, width: number,
): void {
  const { c, scale, m, left } = f;
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.beginPath();
  let drawn = 0;
  for (const list of calls) {
    for (let k = 0; k + 1 < list.length && drawn < 2000; k++) {
      const from = m.endOf(list[k]!);
      const to = m.start[list[k + 1]!]!;
      if (to < scale.first || from > scale.last) continue;
      const y0 = middle(m.lane[list[k]!]!);
      const y1 = middle(m.lane[list[k + 1]!]!);
      if (y0 === null || y1 === null) continue;
      // Where all is dense, lines would only hide it.
      if (to - from < scale.perPixel * 8 && width <= 1) continue;
      const x0 = Math.max(-50, scale.x(from));
      const x1 = Math.min(scale.width + 50, scale.x(to));
      const bend = Math.min(24, (x1 - x0) / 2);
      c.moveTo(left + x0, y0);
      c.bezierCurveTo(left + x0 + bend, y0, left + x1 - bend, y1, left + x1, y1);
      drawn++;
    }
  }
  c.stroke();
}

/** A pattern of diagonal lines. */
export function diagonal(c: CanvasRenderingContext2D, colour: string, size: number, width: number): CanvasPattern | null {
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const t = tile.getContext("2d");
  if (!t) return null;
  t.strokeStyle = colour;
  t.lineWidth = width;
  t.beginPath();
  for (const shift of [-size, 0, size]) {
    t.moveTo(shift - 1, size + 1);
    t.lineTo(shift + size + 1, -1);
  }
  t.stroke();
  return c.createPattern(tile, "repeat");
}
