// What the timeline's canvas shows: which rows stand where, and how they are drawn.
import { niceCeil, niceStep, ticks } from "./axis";
import * as format from "./format";
import { layOut, manyLanes, rowAt, StepsCache, type Grouping, type Layout, type Row } from "./layout";
import { isFailure, isRetried, type Model } from "./model";
import {
  diagonal, fit, paintArea, paintCounter, paintDowns, paintFailures, paintJoins, paintTicks, Scale, SlotPainter,
  type Frame,
} from "./paint";
import { upperBound } from "./search";
import { assignColours, levels, readTheme, type Theme } from "./theme";
import type { Track } from "./track";
import { idleGaps, Warp } from "./warp";

export const mapHeight = 30;
export const axisHeight = 22;
export const stripHeight = 24;

/** The part of the run that is on the screen, in places of the axis (µs, idle time collapsed or not). */
export interface View {
  from: number;
  to: number;
}

/** A stretch of time, in µs of the run. */
export interface Range {
  from: number;
  to: number;
}

/** A counter over the lanes. */
export interface Strip {
  label: string;
  text(t: number): string;
  paint(f: Frame, y: number, h: number): void;
}

export class Scene {
  view: View = { from: 0, to: 1 };
  grouping: Grouping = "lane";
  selected = -1;
  range: Range | null = null;
  collapseIdle = false;
  /** Groups that a person has folded or unfolded, against what is usual. */
  readonly folds = new Map<string, boolean>();

  m: Model | null = null;
  theme: Theme;
  warp = new Warp();
  layout: Layout = { rows: [], height: 0, pinned: 0, rowOfLane: new Int32Array(0) };
  /** Lanes that are kept in sight. */
  pins: readonly string[] = []; // by their keys
  steps: StepsCache | null = null;
  colours: Uint8Array = new Uint8Array(0);
  matches: { tracks: Track[]; keep: (i: number) => boolean } | null = null;
  scroll = 0;
  width = 0;
  height = 0;
  gutter = 148;
  scale: Scale | null = null;
  hover: { x: number; y: number } | null = null;
  private layoutFor = "";
  private stripCount = 0;

  constructor(readonly host: HTMLElement) {
    this.theme = readTheme(host);
  }

  /** Shows another run. */
  protected take(m: Model): void {
    this.m = m;
    this.steps = new StepsCache(m);
    this.layoutFor = "";
    this.rewarp();
  }

  /** The rows are laid out anew at the next look. */
  protected relay(): void {
    this.layoutFor = "";
  }

  /** All of the run, with a little room at its end. */
  whole(): View {
    const m = this.m;
    if (!m) return { from: 0, to: 1e6 };
    const end = Math.max(this.warp.place(m.now), m.n === 0 ? 1e6 : 1);
    return { from: 0, to: end * 1.015 };
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
      y: this.rowTop(row) + row.h / 2,
      width: this.scale.x(m.endOf(span)) - x0,
    };
  }

  /** The width of the part that shows time, in CSS pixels. */
  get plot(): number {
    return Math.max(1, Math.floor(this.width - this.gutter));
  }

  /** Where a row stands in the host. */
  rowTop(row: Row): number {
    return this.lanesTop() + row.y - (row.pinned ? 0 : this.scroll);
  }

  /** The row at a height of the host; null if there is none. */
  rowUnder(y: number): Row | null {
    const at = y - this.lanesTop();
    return at < 0 ? null : rowAt(this.rows(), at < this.layout.pinned ? at : at + this.scroll);
  }

  /** The rows, top to bottom. */
  rows(): readonly Row[] {
    const m = this.m;
    if (!m) return [];
    const room = this.height - this.lanesTop();
    const key = `${this.grouping} ${m.head.lanes.length} ${m.head.tasks.length} ${room} ${this.pins} ${this.grouping === "state" ? m.version : ""}`;
    if (key !== this.layoutFor) {
      const folded = (k: string, lanes: number): boolean => this.folds.get(k) ?? lanes > manyLanes;
      this.layout = layOut(m, this.grouping, folded, room, this.pins);
      this.layoutFor = key;
    }
    return this.layout.rows;
  }


  /** The counters that there are data for. */
  strips(): Strip[] {
    const m = this.m;
    if (!m) return [];
    const s = m.samples;
    const all = this.steps!.get("all");
    const limits = m.head.engines.map((e) => e.limit ?? 0);
    // Engines of which one works at a time, as in a comparison, share the largest limit.
    const most = Math.max(0, ...limits);
    const limit = all.peak > most ? limits.reduce((sum, n) => sum + n, 0) : most;
    const list: Strip[] = [];
    const top = Math.max(limit, all.peak, 1);
    list.push({
      label: "running",
      text: (t) => `${t <= m.now ? all.at(t) : 0}${limit ? " / " + format.count(limit) : ""}`,
      paint: (f, y, h) => {
        paintArea(f, all, y, h, top, washed(this.theme.running), this.theme.running, false);
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

  /** Where the lanes begin. */
  lanesTop(strips = this.stripCount): number {
    return mapHeight + axisHeight + strips * stripHeight + (strips > 0 ? 6 : 0);
  }

  /** Finds anew which idle time is collapsed. */
  rewarp(): void {
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

  clampScroll(): void {
    this.scroll = Math.max(0, Math.min(this.scroll, this.layout.height - (this.height - this.lanesTop()) + 8));
  }

  context(canvas: HTMLCanvasElement, alpha: boolean): CanvasRenderingContext2D | null {
    const c = canvas.getContext("2d", { alpha });
    const ratio = window.devicePixelRatio || 1;
    c?.setTransform(ratio, 0, 0, ratio, 0, 0);
    return c;
  }

  /** Draws everything but what moves with the pointer. */
  protected paintBase(canvas: HTMLCanvasElement): void {
    const m = this.m;
    const c = this.context(canvas, false);
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
    // Where all lanes are in sight, a finger that moves up or down scrolls the page.
    this.host.style.touchAction = this.layout.height > this.height - top ? "none" : "pan-y";
    this.paintLanes(frame, rows, top);
    this.paintGrid(frame, top);
    this.paintStrips(frame, strips);
    this.paintMap(frame);
  }

  private paintLanes(f: Frame, rows: readonly Row[], top: number): void {
    const { c, theme: t } = f;
    const { pinned, height } = this.layout;
    const first = top + pinned; // where rows scroll
    this.paintRows(f, rows.filter((r) => !r.pinned && this.rowTop(r) + r.h >= first && this.rowTop(r) <= this.height), first, this.height);
    if (pinned > 0) {
      this.paintRows(f, rows.filter((r) => r.pinned), top, first);
      c.fillStyle = t.accent;
      c.fillRect(0, first - 1, this.width, 1);
      c.fillRect(0, top, 3, pinned);
    }
    // A thin thumb tells that there are more lanes.
    const room = this.height - first;
    const all = height - pinned;
    if (all > room) {
      const size = Math.max(24, (room * room) / all);
      const y = first + (this.scroll / (all - room + 8)) * (room - size);
      c.fillStyle = t.strong;
      c.fillRect(this.width - 5, y, 4, size);
    }
  }

  // Draws rows between two heights.
  private paintRows(f: Frame, seen: readonly Row[], top: number, bottom: number): void {
    const { c, m, theme: t } = f;
    const left = this.gutter;
    const tall = bottom - top;
    c.save();
    c.beginPath();
    c.rect(0, top, this.width, tall);
    c.clip();
    c.fillStyle = t.back;
    c.fillRect(left, top, this.width - left, tall);

    // The grid is under the bars, the bars under the failures.
    for (const row of seen) {
      const y = this.rowTop(row);
      if (row.kind === "group") {
        c.fillStyle = t.stripe;
        c.fillRect(0, y, this.width, row.h - 1);
      }
      c.fillStyle = t.line;
      c.fillRect(0, y + row.h - 1, this.width, 1);
    }
    this.paintTicks(f, top, bottom);
    c.save();
    c.beginPath();
    c.rect(left, top, this.width - left, tall);
    c.clip();
    const faint = this.matches ? new SlotPainter(f, true, seen.length) : null;
    const bars = new SlotPainter(f, false, seen.length);
    const lit = this.matches ? this.matches.tracks : m.tracks;
    for (const row of seen) {
      const y = this.rowTop(row);
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
        const [fill, line] = this.areaColours(group.key);
        paintArea(f, steps, y + 2, row.h - 4, peak, fill, line);
      }
    }
    faint?.flush();
    bars.flush();
    const calls = m.retriedCalls();
    if (calls.size > 0 && calls.size <= 20_000 && !this.matches) {
      // Many lines together would hide what they join.
      c.globalAlpha = Math.max(0.12, Math.min(1, 12 / calls.size));
      paintJoins(f, calls.values(), (lane) => this.laneMiddle(lane), t.retry, 1);
      c.globalAlpha = 1;
    }
    for (const row of seen) {
      const track = row.kind === "slot" ? lit[row.lane] : undefined;
      if (track) paintFailures(f, track, this.rowTop(row), row.h);
    }
    c.restore();
    for (const row of seen) this.paintLabel(f, row, this.rowTop(row));
    c.restore();
  }

  // A task has its own colour, a failure and a retry theirs.
  private areaColours(key: string): [fill: string, line: string] {
    const t = this.theme;
    const n = Number(key.slice(1));
    if (this.grouping === "task") {
      const shades = t.shades[this.colours[n] ?? 0]!;
      return [shades[2]!, shades[levels - 1]!];
    }
    const colour = this.grouping !== "state" ? t.running : key === "sr" || isRetried(n) ? t.retry : isFailure(n) ? t.fail : t.running;
    return [washed(colour), colour];
  }

  laneMiddle(lane: number): number | null {
    const row = this.layout.rows[this.layout.rowOfLane[lane] ?? -1];
    if (!row || row.kind !== "slot") return null;
    const y = this.rowTop(row) + row.h / 2;
    return y < this.lanesTop() - 40 || y > this.height + 40 ? null : y;
  }

  private paintLabel(f: Frame, row: Row, y: number): void {
    const { c, theme: t } = f;
    const x = 10 + row.depth * (this.gutter < 100 ? 5 : 10);
    const mid = y + row.h / 2;
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
    const room = this.gutter - from - noteRoom - 4;
    let label = fit(c, row.label, room);
    // Of a worker and its process, the worker says more.
    if (label.endsWith("…")) label = fit(c, row.label.split(" · ")[0]!, room);
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
        c.translate(left + (x0 + x1) / 2, top + 28);
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
    const { c, theme: t } = f;
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
  }

  // The left and right side of the brush, in pixels.
  brush(): [number, number] {
    const whole = this.whole();
    const at = (p: number): number => this.gutter + Math.max(0, Math.min(1, p / whole.to)) * this.plot;
    return [at(this.view.from), Math.max(at(this.view.to), at(this.view.from) + 3)];
  }

  /** The span at a place of the host; -1 if there is none. A failure attracts from a few pixels away. */
  hit(x: number, y: number): number {
    const m = this.m;
    const s = this.scale;
    if (!m || !s || x < this.gutter) return -1;
    const row = this.rowUnder(y);
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
}

// A colour as the wash under its own line.
function washed(colour: string): string {
  return colour + "38";
}
