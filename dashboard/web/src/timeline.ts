// The timeline: lanes over time, counters on the same axis, and a map of the whole run.
// It needs a host element and a Model, tells what a person does through callbacks, and
// knows nothing of the rest of the page.
import { niceCeil, niceStep, ticks } from "./axis";
import * as format from "./format";
import { layOut, manyLanes, rowAt, StepsCache, type Grouping, type Layout, type Row } from "./layout";
import { isFailure, type Model } from "./model";
import {
  diagonal, fit, paintArea, paintCounter, paintDowns, paintFailures, paintJoins, paintTicks, Scale, SlotPainter,
  type Frame,
} from "./paint";
import { upperBound } from "./search";
import { assignColours, levels, readTheme, type Theme } from "./theme";
import type { Track } from "./track";
import { idleGaps, Warp } from "./warp";

const mapHeight = 30;
const axisHeight = 22;
const stripHeight = 24;

/** The part of the run that is on the screen, in places of the axis (µs, idle time collapsed or not). */
export interface View {
  from: number;
  to: number;
}

export interface Range {
  from: number;
  to: number;
}

export interface Events {
  select(span: number): void; // -1: nothing
  range(range: Range | null): void;
  view(): void; // the view, the folding or the scroll position has changed
  follow(on: boolean): void;
}

interface Strip {
  label: string;
  top: number; // the value at the upper end
  text(t: number): string;
  paint(f: Frame, y: number, h: number): void;
}

export class Timeline {
  view: View = { from: 0, to: 1 };
  follow = false;
  grouping: Grouping = "lane";
  selected = -1;
  range: Range | null = null;
  collapseIdle = false;
  /** Groups that a person has folded or unfolded, against what is usual. */
  readonly folds = new Map<string, boolean>();
  /** How long the last frames took to draw, in ms. */
  readonly frameTimes: number[] = [];
  frames = 0;

  private m: Model | null = null;
  private theme: Theme;
  private readonly base: HTMLCanvasElement;
  private readonly over: HTMLCanvasElement;
  private readonly tip: HTMLDivElement;
  private warp = new Warp();
  private layout: Layout = { rows: [], height: 0, rowOfLane: new Int32Array(0) };
  private layoutFor = "";
  private steps: StepsCache | null = null;
  private colours: Uint8Array = new Uint8Array(0);
  private matches: { tracks: Track[]; keep: (i: number) => boolean } | null = null;
  private scroll = 0;
  private width = 0;
  private height = 0;
  private gutter = 140;
  private scale: Scale | null = null;
  private dirty = false;
  private overDirty = false;
  private history: { view: View; scroll: number }[] = [];
  private hover: { x: number; y: number } | null = null;
  private drag: Drag | null = null;
  private readonly touches = new Map<number, { x: number; y: number }>();
  private pinch: { distance: number; place: number } | null = null;
  private observer: ResizeObserver;

  constructor(
    readonly host: HTMLElement,
    private readonly events: Events,
  ) {
    this.base = document.createElement("canvas");
    this.over = document.createElement("canvas");
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.base.setAttribute("role", "img");
    this.over.setAttribute("aria-hidden", "true");
    host.append(this.base, this.over, this.tip);
    this.theme = readTheme(host);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(host);
    this.listen();
  }

  /** Shows a run, from its beginning to its end. */
  show(m: Model): void {
    this.m = m;
    this.steps = new StepsCache(m);
    this.layoutFor = "";
    this.rewarp();
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

  /** All of the run, with a little room at its end. */
  whole(): View {
    const m = this.m;
    if (!m) return { from: 0, to: 1e6 };
    const end = Math.max(this.warp.place(m.now), 1);
    return { from: 0, to: end * 1.015 };
  }

  /** Shows a view; keep remembers the one before it for undo. */
  go(view: View, keep = true): void {
    const whole = this.whole();
    const most = (whole.to - whole.from) * 1.2;
    const length = Math.min(most, Math.max(view.to - view.from, 2));
    let from = view.from + (view.to - view.from - length) / 2;
    from = Math.min(Math.max(from, -0.5 * length), whole.to - 0.1 * length);
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
    this.layoutFor = "";
    this.steps?.clear();
    this.events.view();
    this.redraw();
  }

  fold(key: string, closed: boolean): void {
    this.folds.set(key, closed);
    this.layoutFor = "";
    this.events.view();
    this.redraw();
  }

  /** Folds or unfolds every group. */
  foldAll(closed: boolean): void {
    for (const row of this.rows()) if (row.foldable) this.folds.set(row.key, closed);
    this.layoutFor = "";
    if (!closed) for (const row of this.rows()) if (row.foldable) this.folds.set(row.key, false);
    this.layoutFor = "";
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
      this.paint();
      this.paintOver();
      this.frames++;
      this.frameTimes.push(performance.now() - began);
      if (this.frameTimes.length > 600) this.frameTimes.splice(0, 300);
    });
  }

  /** Where a span stands in CSS pixels within the host, for tests and for whoever points at it. */
  place(span: number): { x: number; y: number; width: number } | null {
    const m = this.m;
    if (!m || !this.scale) return null;
    const row = this.rows()[this.layout.rowOfLane[m.lane[span]!] ?? -1];
    if (!row) return null;
    const x0 = this.scale.x(m.start[span]!);
    return {
      x: this.gutter + x0,
      y: this.lanesTop() + row.y - this.scroll + row.h / 2,
      width: this.scale.x(m.endOf(span)) - x0,
    };
  }

  get canvas(): HTMLCanvasElement {
    return this.base;
  }

  /** The width of the part that shows time, in CSS pixels. */
  get plot(): number {
    return Math.max(1, Math.floor(this.width - this.gutter));
  }

  destroy(): void {
    this.observer.disconnect();
    this.base.remove();
    this.over.remove();
    this.tip.remove();
  }

  // ---- what stands where

  private rows(): readonly Row[] {
    const m = this.m;
    if (!m) return [];
    const key = `${this.grouping} ${m.head.lanes.length} ${m.head.tasks.length} ${this.grouping === "state" ? m.version : ""}`;
    if (key !== this.layoutFor) {
      this.layout = layOut(m, this.grouping, (k, lanes) => this.folds.get(k) ?? lanes > manyLanes);
      this.layoutFor = key;
    }
    return this.layout.rows;
  }

  private strips(): Strip[] {
    const m = this.m;
    if (!m) return [];
    const s = m.samples;
    const all = this.steps!.get("all");
    const limit = m.head.engines.reduce((sum, e) => sum + (e.limit ?? 0), 0);
    const list: Strip[] = [];
    const top = Math.max(limit, all.peak, 1);
    list.push({
      label: "running",
      top,
      text: (t) => `${t <= m.now ? all.at(t) : 0}${limit ? " / " + format.count(limit) : ""}`,
      paint: (f, y, h) => {
        paintArea(f, all, y, h, top, washed(this.theme.running), this.theme.running);
        if (limit > 0) {
          f.c.fillStyle = this.theme.strong;
          const ly = Math.round(y + h - Math.min(1, limit / top) * (h - 1));
          for (let x = 0; x < f.scale.width; x += 6) f.c.fillRect(f.left + x, ly, 3, 1);
        }
      },
    });
    const sampled = (label: string, v: Float32Array, least: number, colour: string, text: (v: number) => string): void => {
      let most = 0;
      for (let i = 0; i < s.n; i++) if (v[i]! > most) most = v[i]!;
      if (most <= 0) return;
      const end = Math.max(niceCeil(most), least);
      list.push({
        label,
        top: end,
        text: (t) => {
          const i = m.sampleAt(t);
          return i >= 0 && v[i] === v[i] ? text(v[i]!) : "–";
        },
        paint: (f, y, h) => paintCounter(f, s.t, v, s.n, y, h, end, colour),
      });
    };
    sampled("queued", s.queued, 1, this.theme.queued, format.count);
    sampled("CPU", s.cpu, m.head.run.cpus ?? 1, this.theme.cpu, (v) => `${format.short(v)}${m.head.run.cpus ? " / " + m.head.run.cpus : ""}`);
    sampled("memory", s.rss, 1, this.theme.rss, format.bytes);
    return this.height < 300 ? list.slice(0, 1) : list;
  }

  private lanesTop(strips = this.stripCount): number {
    return mapHeight + axisHeight + strips * stripHeight + (strips > 0 ? 6 : 0);
  }
  private stripCount = 0;

  private rewarp(): void {
    const m = this.m;
    if (!m) return;
    if (this.colours.length !== m.head.tasks.length) this.colours = assignColours(m.head.tasks);
    if (!this.collapseIdle) {
      this.warp = new Warp();
      return;
    }
    const all = this.steps!.get("all");
    // A gap is worth collapsing if it takes more than a few pixels of what would be left.
    const whole = Math.max(m.now, 1);
    const gaps = idleGaps(all.starts, all.ends, m.head.state === "running" ? 0 : m.now, whole * 0.02);
    const idle = gaps.reduce((sum, [from, to]) => sum + to - from, 0);
    this.warp = new Warp(gaps, Math.max(1, (whole - idle) * 0.012));
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
    if (!row) return;
    const room = this.height - this.lanesTop();
    if (row.y < this.scroll) this.scroll = row.y - 8;
    else if (row.y + row.h > this.scroll + room) this.scroll = row.y + row.h - room + 8;
    this.clampScroll();
  }

  private clampScroll(): void {
    this.scroll = Math.max(0, Math.min(this.scroll, this.layout.height - (this.height - this.lanesTop()) + 8));
  }

  private remember(): void {
    const last = this.history[this.history.length - 1];
    if (last && last.view.from === this.view.from && last.view.to === this.view.to) return;
    this.history.push({ view: this.view, scroll: this.scroll });
    if (this.history.length > 100) this.history.shift();
  }

  // Many small steps in a row are one step of the history.
  private lastStep = 0;
  private coalesce(): boolean {
    const now = performance.now();
    const fresh = now - this.lastStep > 600;
    this.lastStep = now;
    return fresh;
  }

  private unfollow(): void {
    if (!this.follow) return;
    this.follow = false;
    this.events.follow(false);
  }

  // ---- drawing

  private resize(): void {
    const w = this.host.clientWidth;
    const h = this.host.clientHeight;
    if (w === 0 || h === 0) return;
    const ratio = window.devicePixelRatio || 1;
    this.width = w;
    this.height = h;
    this.gutter = w < 560 ? 84 : 148;
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
      canvas.style.width = w + "px";
      canvas.style.height = h + "px";
    }
    this.redraw();
  }

  private context(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
    const c = canvas.getContext("2d", { alpha: canvas === this.over });
    const ratio = window.devicePixelRatio || 1;
    c?.setTransform(ratio, 0, 0, ratio, 0, 0);
    return c;
  }

  private paint(): void {
    const m = this.m;
    const c = this.context(this.base);
    if (!c || this.width === 0) return;
    const t = this.theme;
    c.fillStyle = t.panel;
    c.fillRect(0, 0, this.width, this.height);
    if (!m) return;
    const rows = this.rows();
    const strips = this.strips();
    this.stripCount = strips.length;
    this.clampScroll();
    const width = this.plot;
    const scale = new Scale(this.warp, this.view.from, (this.view.to - this.view.from) / width, width);
    this.scale = scale;
    const frame: Frame = {
      c, m, theme: t, scale, left: this.gutter, colours: this.colours,
      hatch: diagonal(c, t.dark ? "rgba(0,0,0,.34)" : "rgba(255,255,255,.38)", 6, 1.4),
      dead: diagonal(c, t.strong, 7, 1),
    };
    const top = this.lanesTop();
    this.paintLanes(frame, rows, top);
    this.paintGrid(frame, top);
    this.paintStrips(frame, strips);
    this.paintMap(frame);
  }

  private paintLanes(f: Frame, rows: readonly Row[], top: number): void {
    const { c, m, theme: t } = f;
    const left = this.gutter;
    c.save();
    c.beginPath();
    c.rect(0, top, this.width, this.height - top);
    c.clip();
    c.fillStyle = t.back;
    c.fillRect(left, top, this.width - left, this.height - top);
    const seen = rows.filter((r) => r.y + r.h >= this.scroll && r.y <= this.scroll + this.height - top);

    // The grid is under the bars, the bars under the failures.
    for (const row of seen) {
      const y = top + row.y - this.scroll;
      if (row.kind === "group") {
        c.fillStyle = t.stripe;
        c.fillRect(0, y, this.width, row.h - 1);
      }
      c.fillStyle = t.line;
      c.fillRect(0, y + row.h - 1, this.width, 1);
    }
    this.paintTicks(f, top, this.height);
    c.save();
    c.beginPath();
    c.rect(left, top, this.width - left, this.height - top);
    c.clip();
    const faint = this.matches ? new SlotPainter(f, true) : null;
    const bars = new SlotPainter(f, false);
    const lit = this.matches ? this.matches.tracks : m.tracks;
    for (const row of seen) {
      const y = top + row.y - this.scroll;
      if (row.kind === "slot") {
        paintDowns(f, row, y);
        const track = m.tracks[row.lane];
        if (faint && track) faint.row(track, y, row.h);
        const own = lit[row.lane];
        if (own) bars.row(own, y, row.h);
      } else {
        const group = row.group!;
        const steps = this.steps!.get(group.key + this.grouping, group.keep);
        const peak = group.lanes || Math.max(1, steps.peak);
        const shades = f.colours.length && this.grouping === "task"
          ? t.shades[this.colours[Number(group.key.slice(1))] ?? 0]! : null;
        const line = shades ? shades[levels - 1]! : t.running;
        paintArea(f, steps, y + 2, row.h - 4, peak, shades ? shades[2]! : washed(t.running), line);
      }
    }
    faint?.flush();
    bars.flush();
    const calls = m.retriedCalls();
    if (calls.size > 0 && calls.size <= 3000 && !this.matches) {
      paintJoins(f, calls.values(), (lane) => this.laneMiddle(lane, top), t.retry, 1);
    }
    for (const row of seen) {
      const track = row.kind === "slot" ? lit[row.lane] : undefined;
      if (track) paintFailures(f, track, top + row.y - this.scroll, row.h);
    }
    c.restore();
    for (const row of seen) this.paintLabel(f, row, top + row.y - this.scroll);
    // A thin thumb tells that there are more lanes.
    const room = this.height - top;
    if (this.layout.height > room) {
      const size = Math.max(24, (room * room) / this.layout.height);
      const y = top + (this.scroll / (this.layout.height - room + 8)) * (room - size);
      c.fillStyle = t.strong;
      c.fillRect(this.width - 5, y, 4, size);
    }
    c.restore();
  }

  private laneMiddle(lane: number, top: number): number | null {
    const row = this.layout.rows[this.layout.rowOfLane[lane] ?? -1];
    if (!row || row.kind !== "slot") return null;
    const y = top + row.y - this.scroll + row.h / 2;
    return y < top - 40 || y > this.height + 40 ? null : y;
  }

  private paintLabel(f: Frame, row: Row, y: number): void {
    const { c, theme: t } = f;
    const x = 10 + row.depth * (this.gutter < 100 ? 5 : 10);
    const mid = y + (row.closed && row.foldable ? row.h / 2 : row.h / 2);
    c.textBaseline = "middle";
    c.textAlign = "left";
    let from = x;
    if (row.foldable) {
      c.fillStyle = t.muted;
      c.beginPath();
      if (row.closed) {
        c.moveTo(x, mid - 3.5);
        c.lineTo(x + 5, mid);
        c.lineTo(x, mid + 3.5);
      } else {
        c.moveTo(x - 1, mid - 2);
        c.lineTo(x + 6, mid - 2);
        c.lineTo(x + 2.5, mid + 3);
      }
      c.fill();
      from = x + 12;
    }
    const group = row.kind === "group";
    c.font = `${group ? "600 11.5px" : "11px"} ${t.font}`;
    c.fillStyle = group ? t.ink : t.muted;
    const note = row.note || this.busy(row);
    const noteRoom = this.gutter < 100 ? 0 : 38;
    const label = fit(c, row.label, this.gutter - from - noteRoom - 4);
    c.fillText(label, from, mid);
    if (noteRoom > 0 && note) {
      c.font = `10.5px ${t.font}`;
      c.fillStyle = t.muted;
      c.textAlign = "right";
      c.fillText(note, this.gutter - 8, mid);
      c.textAlign = "left";
    }
  }

  // The share of the view in which a lane worked.
  private busy(row: Row): string {
    const m = this.m!;
    const track = m.tracks[row.lane];
    const s = this.scale;
    if (row.kind !== "slot" || !track || !s) return "";
    const from = Math.max(0, s.first);
    const to = Math.min(m.now, s.last);
    if (!(to > from)) return "";
    const first = track.after(from);
    const past = Math.max(first, upperBound(track.start, to, 0, track.n));
    return format.percent(Math.min(1, track.busyIn(from, to, first, past, m.now) / (to - from))).replace(/\.\d+/, "");
  }

  private axisStep(s: Scale): number {
    return niceStep(s.perPixel * 96);
  }

  private paintTicks(f: Frame, y0: number, y1: number): void {
    const { c, scale, left, theme: t } = f;
    c.fillStyle = t.line;
    for (const tick of ticks(Math.max(0, scale.first), scale.last, this.axisStep(scale))) {
      const x = Math.round(scale.x(tick));
      if (x >= 0 && x <= scale.width) c.fillRect(left + x, y0, 1, y1 - y0);
    }
  }

  private paintGrid(f: Frame, top: number): void {
    const { c, scale, left, theme: t, m } = f;
    // The axis.
    c.fillStyle = t.panel;
    c.fillRect(0, mapHeight, this.width, axisHeight);
    c.font = `11px ${t.font}`;
    c.textBaseline = "middle";
    const step = this.axisStep(scale);
    let free = -Infinity;
    for (const tick of ticks(Math.max(0, scale.first), scale.last, step)) {
      const x = Math.round(scale.x(tick));
      if (x < 0 || x < free) continue;
      const text = format.at(tick, step);
      const w = c.measureText(text).width;
      if (x + w + 8 > scale.width) break;
      c.fillStyle = t.strong;
      c.fillRect(left + x, mapHeight + 5, 1, axisHeight - 5);
      c.fillStyle = t.muted;
      c.fillText(text, left + x + 5, mapHeight + axisHeight / 2 + 1);
      free = x + w + 14;
    }
    // What has not happened yet, and what was collapsed.
    const until = scale.x(m.now);
    if (m.head.state === "running" && until >= 0 && until < scale.width) {
      c.fillStyle = t.accent;
      c.fillRect(left + Math.round(until), mapHeight + axisHeight, 1, this.height);
    }
    for (let g = 0; g < this.warp.gaps; g++) {
      const x0 = scale.x(this.warp.from[g]!);
      const x1 = scale.x(this.warp.to[g]!);
      if (x1 < 0 || x0 > scale.width) continue;
      c.fillStyle = t.idle;
      c.fillRect(left + Math.max(0, x0), mapHeight + axisHeight, Math.min(scale.width, x1) - Math.max(0, x0), this.height);
      if (x1 - x0 > 6 && x0 > 0) {
        c.save();
        c.translate(left + (x0 + x1) / 2, top + 8);
        c.rotate(Math.PI / 2);
        c.fillStyle = t.muted;
        c.font = `10px ${t.font}`;
        c.fillText(`idle ${format.duration(this.warp.to[g]! - this.warp.from[g]!)}`, 0, 0);
        c.restore();
      }
    }
    // Marks of the run hang from the axis.
    for (const mark of m.head.marks) {
      const x = Math.round(scale.x(mark.t));
      if (x < 0 || x > scale.width) continue;
      c.fillStyle = t.accent;
      c.beginPath();
      c.moveTo(left + x - 4, mapHeight + axisHeight - 5);
      c.lineTo(left + x + 4, mapHeight + axisHeight - 5);
      c.lineTo(left + x, mapHeight + axisHeight);
      c.fill();
    }
    c.fillStyle = t.strong;
    c.fillRect(left - 1, mapHeight, 1, this.height);
    c.fillRect(0, mapHeight + axisHeight - 1, this.width, 1);
    c.fillRect(0, top - 1, this.width, 1);
  }

  private paintStrips(f: Frame, strips: readonly Strip[]): void {
    const { c, theme: t } = f;
    strips.forEach((s, k) => {
      const y = mapHeight + axisHeight + 3 + k * stripHeight;
      c.save();
      c.beginPath();
      c.rect(this.gutter, y, this.width, stripHeight);
      c.clip();
      s.paint(f, y + 2, stripHeight - 5);
      c.restore();
      c.fillStyle = t.line;
      c.fillRect(this.gutter, y + stripHeight - 3, this.width, 1);
      c.font = `11px ${t.font}`;
      c.textBaseline = "middle";
      c.fillStyle = t.muted;
      c.textAlign = "left";
      c.fillText(s.label, 10, y + stripHeight / 2);
    });
  }

  private paintMap(f: Frame): void {
    const { c, theme: t, m } = f;
    c.fillStyle = t.panel;
    c.fillRect(0, 0, this.width, mapHeight);
    const whole = this.whole();
    const width = this.plot;
    const scale = new Scale(this.warp, 0, whole.to / width, width);
    const all = this.steps!.get("all");
    const map: Frame = { ...f, scale };
    paintArea(map, all, 5, mapHeight - 10, Math.max(1, all.peak), washed(t.muted), t.strong);
    paintTicks(map, all, 4, mapHeight - 8, t.fail);
    c.font = `11px ${t.font}`;
    c.textBaseline = "middle";
    c.textAlign = "left";
    c.fillStyle = t.muted;
    c.fillText(this.gutter < 100 ? "all" : "whole run", 10, mapHeight / 2);
    // The brush: what is not on the screen is veiled.
    const [a, b] = this.brush();
    c.fillStyle = t.panel;
    c.globalAlpha = 0.66;
    c.fillRect(this.gutter, 2, a - this.gutter, mapHeight - 4);
    c.fillRect(b, 2, this.width - b, mapHeight - 4);
    c.globalAlpha = 1;
    c.strokeStyle = t.accent;
    c.lineWidth = 1;
    c.strokeRect(a + 0.5, 2.5, Math.max(3, b - a - 1), mapHeight - 5);
    c.fillStyle = t.accent;
    c.fillRect(a - 1, mapHeight / 2 - 5, 3, 10);
    c.fillRect(b - 2, mapHeight / 2 - 5, 3, 10);
    void m;
  }

  // The left and right side of the brush, in pixels.
  private brush(): [number, number] {
    const whole = this.whole();
    const at = (p: number): number => this.gutter + Math.max(0, Math.min(1, p / whole.to)) * this.plot;
    return [at(this.view.from), Math.max(at(this.view.to), at(this.view.from) + 3)];
  }

  private paintOverSoon(): void {
    if (this.overDirty || this.dirty) return;
    this.overDirty = true;
    requestAnimationFrame(() => {
      this.overDirty = false;
      this.paintOver();
    });
  }

  private paintOver(): void {
    const c = this.context(this.over);
    const m = this.m;
    const s = this.scale;
    if (!c) return;
    c.clearRect(0, 0, this.width, this.height);
    if (!m || !s) return;
    const t = this.theme;
    const left = this.gutter;
    const top = this.lanesTop();

    c.save();
    c.beginPath();
    c.rect(left, mapHeight, this.width - left, this.height - mapHeight);
    c.clip();
    if (this.range) {
      const x0 = s.x(this.range.from);
      const x1 = s.x(this.range.to);
      c.fillStyle = t.accentWash;
      c.fillRect(left + x0, mapHeight, x1 - x0, this.height);
      c.fillStyle = t.accent;
      c.fillRect(left + x0, mapHeight, 1, this.height);
      c.fillRect(left + x1 - 1, mapHeight, 1, this.height);
    }
    c.beginPath();
    c.rect(left, top, this.width - left, this.height - top);
    c.clip();
    if (this.selected >= 0 && this.selected < m.n) this.paintSelected(c, s, top);
    c.restore();

    const strips = this.strips();
    const cursor = this.hover && this.hover.x >= left && !this.drag?.quiet ? this.hover.x : null;
    const time = cursor !== null ? s.time(cursor - left) : Math.min(m.now, s.last);
    strips.forEach((strip, k) => {
      const y = mapHeight + axisHeight + 3 + k * stripHeight + stripHeight / 2;
      c.font = `11px ${t.font}`;
      c.textBaseline = "middle";
      c.textAlign = "right";
      c.fillStyle = cursor !== null ? t.ink : t.muted;
      c.fillText(strip.text(time), left - 8, y);
    });
    if (cursor !== null && this.hover!.y > mapHeight) {
      c.fillStyle = t.muted;
      c.fillRect(Math.round(cursor), mapHeight + axisHeight - 4, 1, this.height);
      const text = format.at(Math.max(0, time), s.perPixel);
      c.font = `11px ${t.font}`;
      const w = c.measureText(text).width + 12;
      const x = Math.min(this.width - w, Math.max(left, cursor - w / 2));
      c.fillStyle = t.ink;
      c.fillRect(x, mapHeight + 2, w, axisHeight - 5);
      c.fillStyle = t.panel;
      c.textAlign = "center";
      c.fillText(text, x + w / 2, mapHeight + axisHeight / 2);
    }
    this.paintTip(s, top);
  }

  private paintSelected(c: CanvasRenderingContext2D, s: Scale, top: number): void {
    const m = this.m!;
    const t = this.theme;
    const i = this.selected;
    const row = this.layout.rows[this.layout.rowOfLane[m.lane[i]!] ?? -1];
    if (!row) return;
    const f = { c, m, theme: t, scale: s, left: this.gutter, colours: this.colours, hatch: null, dead: null };
    const attempts = m.attemptsOf(i);
    if (attempts.length > 1) paintJoins(f, [attempts], (lane) => this.laneMiddle(lane, top), t.ink, 1.5);
    const y = top + row.y - this.scroll;
    const x0 = Math.max(-10, s.x(m.start[i]!));
    const x1 = Math.min(s.width + 10, s.x(m.endOf(i)));
    const queued = m.queued[i]!;
    if (queued < m.start[i]!) {
      // All of its wait, though others ran on the lane meanwhile.
      const q = Math.max(-10, s.x(queued));
      c.fillStyle = t.ink;
      c.fillRect(this.gutter + q, y + row.h - 3, x0 - q, 1.5);
      c.fillRect(this.gutter + q, y + row.h - 6, 1.5, 5);
    }
    const w = Math.max(4, x1 - x0);
    c.lineWidth = 2;
    c.strokeStyle = t.back;
    c.strokeRect(this.gutter + x0 - 3, y - 1, w + 5, row.h + 1);
    c.strokeStyle = t.accent;
    c.strokeRect(this.gutter + x0 - 2, y + 0.5, w + 3, row.h - 2);
  }

  private paintTip(s: Scale, top: number): void {
    const m = this.m!;
    const h = this.hover;
    const span = h && !this.drag ? this.hit(h.x, h.y) : -1;
    const mark = h && !this.drag && h.y > mapHeight && h.y < mapHeight + axisHeight
      ? m.head.marks.find((k) => Math.abs(s.x(k.t) + this.gutter - h.x) < 5) : undefined;
    this.host.style.cursor = this.drag ? "grabbing" : span >= 0 ? "pointer" : "";
    if (!h || (span < 0 && !mark)) {
      this.tip.hidden = true;
      return;
    }
    const line = (text: string, className: string): HTMLDivElement => {
      const div = document.createElement("div");
      div.className = className;
      div.textContent = text;
      return div;
    };
    if (mark) {
      this.tip.replaceChildren(line(mark.kind, "tip-name"), line(mark.text, "tip-line"));
    } else {
      const state = m.stateName(span);
      const wait = m.wait(span);
      const again = m.attempt[span]! > 1 ? ` · attempt ${m.attempt[span]}` : "";
      this.tip.replaceChildren(
        line(m.label(span), "tip-name"),
        line(`${isFailure(m.state[span]!) ? "✕ " : ""}${state} · ${format.duration(m.duration(span))}${again}`,
          isFailure(m.state[span]!) ? "tip-line tip-fail" : "tip-line"),
        line(`${m.taskName(span)} on ${m.laneName(m.lane[span]!)}${wait === wait && wait > 0 ? ` · waited ${format.duration(wait)}` : ""}`, "tip-line tip-dim"),
      );
    }
    this.tip.hidden = false;
    const w = this.tip.offsetWidth;
    const tall = this.tip.offsetHeight;
    const x = h.x + 14 + w > this.width ? h.x - w - 10 : h.x + 14;
    const y = Math.max(top > h.y ? 0 : 4, h.y + 16 + tall > this.height ? h.y - tall - 8 : h.y + 16);
    this.tip.style.transform = `translate(${Math.max(0, Math.round(x))}px, ${Math.round(y)}px)`;
  }

  // ---- what a person does

  /** The span at a place of the host; -1 if there is none. A failure attracts from a few pixels away. */
  hit(x: number, y: number): number {
    const m = this.m;
    const s = this.scale;
    const top = this.lanesTop();
    if (!m || !s || x < this.gutter || y < top) return -1;
    const row = rowAt(this.rows(), y - top + this.scroll);
    if (!row) return -1;
    const t = s.time(x - this.gutter);
    const near = s.perPixel * 3;
    if (row.kind === "slot") {
      const track = (this.matches?.tracks ?? m.tracks)[row.lane];
      if (!track) return -1;
      let best = -1;
      let distance = Infinity;
      for (let p = Math.max(0, track.after(t - near) - 1); p < track.n && track.start[p]! <= t + near; p++) {
        const e = Math.min(track.end[p]!, m.now);
        const d = t < track.start[p]! ? track.start[p]! - t : t > e ? t - e : 0;
        if (d > near) continue;
        const span = track.span[p]!;
        const score = d - (isFailure(m.state[span]!) && e - track.start[p]! < near ? near * 2 : 0);
        if (score < distance) [best, distance] = [span, score];
        if (p - track.after(t - near) > 5000) break;
      }
      return best;
    }
    const steps = this.steps!.get(row.group!.key + this.grouping, row.group!.keep);
    let best = -1;
    let distance = near * 1.5;
    for (const i of steps.failed) {
      const d = Math.abs(m.start[i]! - t);
      if (d < distance) [best, distance] = [i, d];
    }
    if (best >= 0) return best;
    for (let k = upperBound(steps.starts, t) - 1, tries = 0; k >= 0 && tries < 5000; k--, tries++) {
      if (m.endOf(steps.spans[k]!) >= t) return steps.spans[k]!;
    }
    return -1;
  }

  private listen(): void {
    const at = (e: MouseEvent): { x: number; y: number } => {
      const box = this.host.getBoundingClientRect();
      return { x: e.clientX - box.left, y: e.clientY - box.top };
    };
    const h = this.host;
    h.addEventListener("wheel", (e) => this.wheel(e, at(e)), { passive: false });
    h.addEventListener("pointerdown", (e) => this.down(e, at(e)));
    h.addEventListener("pointermove", (e) => this.move(e, at(e)));
    h.addEventListener("pointerup", (e) => this.up(e, at(e)));
    h.addEventListener("pointercancel", (e) => this.cancel(e));
    h.addEventListener("pointerleave", () => {
      if (this.drag) return;
      this.hover = null;
      this.paintOverSoon();
    });
    h.addEventListener("dblclick", (e) => {
      const p = at(e);
      const span = this.hit(p.x, p.y);
      if (span >= 0 && this.m) {
        this.unfollow();
        this.fitTime(this.m.start[span]!, this.m.endOf(span));
      } else if (p.y < mapHeight || p.y < this.lanesTop()) {
        this.fitAll();
      }
    });
  }

  private wheel(e: WheelEvent, p: { x: number; y: number }): void {
    e.preventDefault();
    const unit = e.deltaMode === 1 ? 16 : e.deltaMode === 2 ? 400 : 1;
    const dx = (e.shiftKey && e.deltaX === 0 ? e.deltaY : e.deltaX) * unit;
    const dy = (e.shiftKey ? 0 : e.deltaY) * unit;
    if (e.ctrlKey || e.metaKey || (p.y < this.lanesTop() && Math.abs(dy) > Math.abs(dx))) {
      this.zoom(Math.exp(Math.max(-60, Math.min(60, dy)) * 0.006), Math.max(0, p.x - this.gutter));
      return;
    }
    if (Math.abs(dx) > Math.abs(dy)) this.pan(dx / this.plot);
    if (dy !== 0) {
      this.scroll += dy;
      this.clampScroll();
      this.redraw();
    }
  }

  private down(e: PointerEvent, p: { x: number; y: number }): void {
    if (e.button !== 0) return;
    this.touches.set(e.pointerId, p);
    this.host.setPointerCapture(e.pointerId);
    if (this.touches.size === 2) {
      const [a, b] = [...this.touches.values()];
      this.pinch = { distance: Math.abs(a!.x - b!.x), place: this.placeAt((a!.x + b!.x) / 2) };
      this.drag = null;
      return;
    }
    const [a, b] = this.brush();
    let kind: Drag["kind"] = "pan";
    if (p.y < mapHeight && p.x >= this.gutter - 4) {
      kind = Math.abs(p.x - a) < 6 ? "from" : Math.abs(p.x - b) < 6 ? "to" : p.x > a && p.x < b ? "brush" : "new";
    } else if (e.shiftKey || (p.y < mapHeight + axisHeight && p.x >= this.gutter)) {
      kind = "range";
    }
    this.drag = { kind, x: p.x, y: p.y, view: this.view, scroll: this.scroll, moved: false, quiet: kind !== "range" };
  }

  private placeAt(x: number): number {
    return this.view.from + ((x - this.gutter) / this.plot) * (this.view.to - this.view.from);
  }

  private move(e: PointerEvent, p: { x: number; y: number }): void {
    if (this.touches.has(e.pointerId)) this.touches.set(e.pointerId, p);
    if (this.pinch && this.touches.size === 2) {
      const [a, b] = [...this.touches.values()];
      const distance = Math.max(8, Math.abs(a!.x - b!.x));
      const length = (this.view.to - this.view.from) * (this.pinch.distance / distance);
      const share = ((a!.x + b!.x) / 2 - this.gutter) / this.plot;
      this.pinch.distance = distance;
      this.unfollow();
      this.go({ from: this.pinch.place - share * length, to: this.pinch.place + (1 - share) * length }, this.coalesce());
      return;
    }
    this.hover = p;
    const d = this.drag;
    if (!d) {
      this.paintOverSoon();
      return;
    }
    if (!d.moved && Math.hypot(p.x - d.x, p.y - d.y) < 4) return;
    if (!d.moved) {
      d.moved = true;
      if (d.kind !== "range") {
        this.remember();
        this.unfollow();
      }
    }
    const perPixel = (d.view.to - d.view.from) / this.plot;
    const whole = this.whole();
    const perMap = whole.to / this.plot;
    const dx = p.x - d.x;
    switch (d.kind) {
      case "pan":
        this.scroll = d.scroll - (p.y - d.y);
        this.clampScroll();
        this.go({ from: d.view.from - dx * perPixel, to: d.view.to - dx * perPixel }, false);
        break;
      case "brush":
        this.go({ from: d.view.from + dx * perMap, to: d.view.to + dx * perMap }, false);
        break;
      case "from":
        this.go({ from: Math.min(d.view.from + dx * perMap, d.view.to - 2), to: d.view.to }, false);
        break;
      case "to":
        this.go({ from: d.view.from, to: Math.max(d.view.to + dx * perMap, d.view.from + 2) }, false);
        break;
      case "new": {
        const from = (Math.min(p.x, d.x) - this.gutter) * perMap;
        const to = (Math.max(p.x, d.x) - this.gutter) * perMap;
        this.go({ from, to }, false);
        break;
      }
      case "range": {
        const a = this.warp.time(this.placeAt(Math.min(p.x, d.x)));
        const b = this.warp.time(this.placeAt(Math.max(p.x, d.x)));
        this.range = { from: a, to: b };
        this.paintOverSoon();
        break;
      }
    }
  }

  private up(e: PointerEvent, p: { x: number; y: number }): void {
    this.touches.delete(e.pointerId);
    if (this.pinch) {
      if (this.touches.size === 0) this.pinch = null;
      return;
    }
    const d = this.drag;
    this.drag = null;
    if (!d) return;
    if (d.moved) {
      if (d.kind === "range") this.events.range(this.range);
      this.paintOverSoon();
      return;
    }
    if (d.kind === "new" || d.kind === "brush") {
      if (d.kind === "new") {
        const length = this.view.to - this.view.from;
        const at = ((p.x - this.gutter) / this.plot) * this.whole().to;
        this.unfollow();
        this.go({ from: at - length / 2, to: at + length / 2 });
      }
      return;
    }
    const top = this.lanesTop();
    const row = p.y >= top ? rowAt(this.rows(), p.y - top + this.scroll) : null;
    if (row?.foldable && p.x < this.gutter) {
      this.fold(row.key, !row.closed);
      return;
    }
    const span = this.hit(p.x, p.y);
    this.selected = span;
    if (this.range) this.selectRange(null);
    this.events.select(span);
    this.redraw();
  }

  private cancel(e: PointerEvent): void {
    this.touches.delete(e.pointerId);
    this.drag = null;
    this.pinch = null;
  }
}

interface Drag {
  kind: "pan" | "range" | "brush" | "from" | "to" | "new";
  x: number;
  y: number;
  view: View;
  scroll: number;
  moved: boolean;
  quiet: boolean; // no crosshair meanwhile
}

// A colour as the wash under its own line.
function washed(colour: string): string {
  return colour + "38";
}
