// The colours of the canvas, read from the style sheet so that they are said once.

export interface Theme {
  dark: boolean;
  back: string;
  panel: string;
  stripe: string;
  line: string;
  strong: string;
  ink: string;
  muted: string;
  accent: string;
  accentWash: string;
  fail: string;
  failInk: string;
  retry: string;
  wait: string;
  idle: string;
  running: string;
  queued: string;
  cpu: string;
  rss: string;
  /** shades[c][level]: colour c of a task (or grey, the last) at 0 … levels - 1, the last being full. */
  shades: string[][];
  /** The same as pixels, in one list: colour × levels + level. */
  pixels: Uint32Array;
  font: string;
}

/** How many shades of density there are. */
export const levels = 8;

/** How many colours tasks may have; one more shade is the grey of what was cancelled. */
export const taskColours = 8;

export function readTheme(element: Element): Theme {
  const style = getComputedStyle(element);
  const v = (name: string): string => style.getPropertyValue("--" + name).trim();
  const back = v("lane");
  const shades: string[][] = [];
  for (let c = 0; c <= taskColours; c++) {
    const full = v(c < taskColours ? `task-${c}` : "grey");
    shades.push(Array.from({ length: levels }, (_, k) => mix(back, full, 0.34 + (0.66 * k) / (levels - 1))));
  }
  return {
    dark: style.colorScheme.includes("dark"),
    back,
    panel: v("panel"),
    stripe: v("stripe"),
    line: v("line"),
    strong: v("line-strong"),
    ink: v("ink"),
    muted: v("muted"),
    accent: v("accent"),
    accentWash: v("accent-wash"),
    fail: v("fail"),
    failInk: v("fail-ink"),
    retry: v("retry"),
    wait: v("wait"),
    idle: v("idle"),
    running: v("c-running"),
    queued: v("c-queued"),
    cpu: v("c-cpu"),
    rss: v("c-rss"),
    shades,
    pixels: Uint32Array.from(shades.flat(), pixel),
    font: v("font"),
  };
}

// A colour as the word that it is in image data. Machines that run browsers are little endian.
function pixel(colour: string): number {
  const [r, g, b] = parse(colour) ?? [128, 128, 128];
  return ((255 << 24) | (b! << 16) | (g! << 8) | r!) >>> 0;
}

/** The colour between a and b, both #rrggbb; share 1 is b. */
export function mix(a: string, b: string, share: number): string {
  const x = parse(a);
  const y = parse(b);
  if (!x || !y) return b;
  const channel = (k: number): string =>
    Math.round(x[k]! + (y[k]! - x[k]!) * share).toString(16).padStart(2, "0");
  return "#" + channel(0) + channel(1) + channel(2);
}

function parse(colour: string): number[] | null {
  const m = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  return m ? [1, 2, 3].map((k) => parseInt(m[k]!, 16)) : null;
}

/**
 * Gives each task a colour: the one its name hashes to, so that it is the same in every
 * run, or the next that is free while there are any.
 */
export function assignColours(names: readonly string[]): Uint8Array {
  const taken = new Uint8Array(taskColours);
  return Uint8Array.from(names, (name) => {
    let hash = 2166136261;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
    let c = (hash >>> 0) % taskColours;
    if (taken.some((t) => t === 0)) while (taken[c]) c = (c + 1) % taskColours;
    taken[c] = 1;
    return c;
  });
}
