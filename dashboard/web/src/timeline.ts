// The timeline: lanes over time, counters on the same axis, and a map of the whole run.
// It needs a host element and a Model, tells what a person does through callbacks, and
// knows nothing of the rest of the page.
import { Gestures } from "./gestures";
import type { Grouping } from "./layout";
import type { Model } from "./model";
import { fillTip, paintOverlay } from "./overlay";
import { Scene, type Range, type View } from "./scene";
import { upperBound } from "./search";
import { assignColours, readTheme } from "./theme";

export type { Range, View } from "./scene";

/** What the timeline tells. */
export interface Events {
  select(span: number): void; // -1: nothing
  range(range: Range | null): void;
  view(): void; // the view, the folding or the scroll position has changed
  follow(on: boolean): void;
  pin(lane: number): void; // a lane was asked to be pinned, or to be let go
  painted(): void; // the first frame of a run has been drawn
}

export class Timeline extends Scene {
  follow = false;
  /** How long the last frames took to draw, in ms. */
  readonly frameTimes: number[] = [];
  frames = 0;

  private readonly base = document.createElement("canvas");
  private readonly over = document.createElement("canvas");
  private readonly tip = document.createElement("div");
  private readonly gestures: Gestures;
  private readonly observer: ResizeObserver;
  private dirty = false;
  private overDirty = false;
  private history: { view: View; scroll: number }[] = [];
  private lastStep = 0;

  constructor(
    host: HTMLElement,
    readonly events: Events,
  ) {
    super(host);
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.base.setAttribute("role", "img");
    this.over.setAttribute("aria-hidden", "true");
    host.append(this.base, this.over, this.tip);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(host);
    this.gestures = new Gestures(this);
  }

  /** Shows a run, from its beginning to its end. */
  show(m: Model): void {
    this.take(m);
    this.resize();
  }

  /** The run has grown. */
  grown(): void {
    const m = this.m;
    if (!m) return;
    if (this.colours.length !== m.head.tasks.length) this.colours = assignColours(m.head.tasks);
    if (this.collapseIdle) this.rewarp();
    if (this.follow) {
      const whole = this.whole();
      const span = this.view.to - this.view.from;
      // Whoever sees all keeps seeing all; else the window moves along.
      if (this.view.from <= 0) this.view = whole;
      else this.view = { from: whole.to - span, to: whole.to };
      this.events.view();
    }
    this.redraw();
  }

  /** Draws only these spans in colour; all with null. */
  match(keep: ((i: number) => boolean) | null): void {
    this.matches = keep && this.m ? { keep, tracks: this.m.tracksOf(keep) } : null;
    this.redraw();
  }

  recolour(): void {
    this.theme = readTheme(this.host);
    this.redraw();
  }

  describe(text: string): void {
    this.base.setAttribute("aria-label", text);
  }

  /** Shows a view; keep remembers the one before it for undo. */
  go(view: View, keep = true): void {
    const whole = this.whole();
    const most = (whole.to - whole.from) * 1.2;
    const length = Math.min(most, Math.max(view.to - view.from, 2));
    let from = view.from + (view.to - view.from - length) / 2;
    from = Math.min(Math.max(from, -0.1 * length), whole.to - 0.1 * length);
    if (keep) this.remember();
    this.view = { from, to: from + length };
    this.events.view();
    this.redraw();
  }

  fitAll(): void {
    this.go(this.whole());
  }

  /** Shows the time from … to with room around it. */
  fitTime(from: number, to: number): void {
    const a = this.warp.place(from);
    const b = this.warp.place(to);
    const room = Math.max((b - a) * 0.15, 5);
    this.go({ from: a - room, to: b + room });
  }

  zoom(factor: number, x = this.plot / 2): void {
    const length = this.view.to - this.view.from;
    const at = this.view.from + (x / this.plot) * length;
    this.unfollow();
    this.go({ from: at - (x / this.plot) * length * factor, to: at + (1 - x / this.plot) * length * factor }, this.coalesce());
  }

  pan(share: number): void {
    const by = (this.view.to - this.view.from) * share;
    this.unfollow();
    this.go({ from: this.view.from + by, to: this.view.to + by }, this.coalesce());
  }

  /** Scrolls the lanes by so many pixels. */
  scrollBy(pixels: number): void {
    this.scroll += pixels;
    this.clampScroll();
    this.redraw();
  }

  undo(): void {
    const last = this.history.pop();
    if (!last) return;
    this.scroll = last.scroll;
    this.go(last.view, false);
  }

  setFollow(on: boolean): void {
    if (this.follow === on) return;
    this.follow = on;
    if (on) {
      const whole = this.whole();
      const length = Math.min(this.view.to - this.view.from, whole.to);
      this.go(length > 0.9 * whole.to ? whole : { from: whole.to - length, to: whole.to });
    }
    this.events.follow(on);
  }

  setCollapseIdle(on: boolean): void {
    const from = this.warp.time(this.view.from);
    const to = this.warp.time(this.view.to);
    const all = this.view.from <= 0 && this.view.to >= this.warp.place(this.m?.now ?? 0);
    this.collapseIdle = on;
    this.rewarp();
    this.go(all ? this.whole() : { from: this.warp.place(from), to: this.warp.place(to) });
  }

  setGrouping(g: Grouping): void {
    this.grouping = g;
    this.scroll = 0;
    this.relay();
    this.steps?.clear();
    this.events.view();
    this.redraw();
  }

  fold(key: string, closed: boolean): void {
    this.folds.set(key, closed);
    this.relay();
    this.events.view();
    this.redraw();
  }

  /** Keeps these lanes in sight, in this order. */
  setPins(keys: readonly string[]): void {
    this.pins = keys;
    this.relay();
    this.events.view();
    this.redraw();
  }

  /** Reports whether a lane is pinned and has found room. */
  shows(lane: number): boolean {
    return this.rows()[this.layout.rowOfLane[lane] ?? -1]?.pinned ?? false;
  }

  /** Folds or unfolds every group. */
  foldAll(closed: boolean): void {
    for (const row of this.rows()) if (row.foldable) this.folds.set(row.key, closed);
    this.relay();
    if (!closed) for (const row of this.rows()) if (row.foldable) this.folds.set(row.key, false);
    this.relay();
    this.events.view();
    this.redraw();
  }

  /** Selects a span; reveal moves the view only as far as is needed to see it. */
  select(span: number, reveal = false): void {
    this.selected = span;
    if (reveal && span >= 0 && this.m) this.reveal(span);
    this.redraw();
  }

  selectRange(range: Range | null): void {
    this.range = range;
    this.events.range(range);
    this.paintOverSoon();
  }

  /** The span that follows (by = 1) or comes before (by = -1) another in its lane; -1 if there is none. */
  inLane(span: number, by: 1 | -1): number {
    const m = this.m;
    if (!m) return -1;
    if (span < 0) {
      const order = m.byStart();
      const k = upperBound(order.length ? Float64Array.from(order, (i) => m.start[i]!) : [], this.warp.time(this.view.from));
      return order[Math.min(k, order.length - 1)] ?? -1;
    }
    const track = m.tracks[m.lane[span]!];
    if (!track) return -1;
    const p = track.position(span, m.start[span]!) + by;
    return p >= 0 && p < track.n ? track.span[p]! : -1;
  }

  /** The time in the middle of the view. */
  get middle(): number {
    return this.warp.time((this.view.from + this.view.to) / 2);
  }

  /** The view that shows a range of time. */
  placed(r: Range): View {
    return { from: this.warp.place(r.from), to: this.warp.place(r.to) };
  }

  /** Reports whether any group is folded. */
  anyFolded(): boolean {
    return this.rows().some((r) => r.foldable && r.closed);
  }

  /** The times at the sides of the view. */
  visible(): Range {
    return { from: this.warp.time(this.view.from), to: this.warp.time(this.view.to) };
  }

  redraw(): void {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      const began = performance.now();
      this.paintBase(this.base);
      this.paintOver();
      if (this.frames++ === 0) this.events.painted();
      this.frameTimes.push(performance.now() - began);
      if (this.frameTimes.length > 600) this.frameTimes.splice(0, 300);
    });
  }

  get canvas(): HTMLCanvasElement {
    return this.base;
  }

  destroy(): void {
    this.observer.disconnect();
    this.base.remove();
    this.over.remove();
    this.tip.remove();
  }

  private reveal(span: number): void {
    const m = this.m!;
    const a = this.warp.place(m.start[span]!);
    const b = this.warp.place(m.endOf(span));
    const length = this.view.to - this.view.from;
    if (a < this.view.from || b > this.view.to) {
      this.unfollow();
      const want = Math.max(length, (b - a) * 1.3);
      this.go({ from: (a + b) / 2 - want / 2, to: (a + b) / 2 + want / 2 });
    }
    const row = this.rows()[this.layout.rowOfLane[m.lane[span]!] ?? -1];
    if (!row || row.pinned) return;
    const room = this.height - this.lanesTop();
    const { pinned } = this.layout;
    if (row.y - pinned < this.scroll) this.scroll = row.y - pinned - 8;
    else if (row.y + row.h > this.scroll + room) this.scroll = row.y + row.h - room + 8;
    this.clampScroll();
  }

  remember(): void {
    const last = this.history[this.history.length - 1];
    if (last && last.view.from === this.view.from && last.view.to === this.view.to) return;
    this.history.push({ view: this.view, scroll: this.scroll });
    if (this.history.length > 100) this.history.shift();
  }

  // Many small steps in a row are one step of the history.
  coalesce(): boolean {
    const now = performance.now();
    const fresh = now - this.lastStep > 600;
    this.lastStep = now;
    return fresh;
  }

  unfollow(): void {
    if (!this.follow) return;
    this.follow = false;
    this.events.follow(false);
  }

  private resize(): void {
    const w = this.host.clientWidth;
    const h = this.host.clientHeight;
    if (w === 0 || h === 0) return;
    const ratio = window.devicePixelRatio || 1;
    this.width = w;
    this.height = h;
    this.gutter = w < 560 ? 84 : 156;
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
      canvas.style.width = w + "px";
      canvas.style.height = h + "px";
    }
    this.redraw();
  }

  paintOverSoon(): void {
    if (this.overDirty || this.dirty) return;
    this.overDirty = true;
    requestAnimationFrame(() => {
      this.overDirty = false;
      this.paintOver();
    });
  }

  private paintOver(): void {
    const drag = this.gestures.drag;
    paintOverlay(this, this.over, drag?.quiet ?? false);
    fillTip(this, this.tip, drag !== null);
  }
}
