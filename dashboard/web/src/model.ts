// The run, in memory: columns of spans that grow, and the indexes over them.
import { lowerBound, upperBound } from "./search";
import type { Column, Head, Failure, LaneHead, Snapshot } from "./snapshot";
import { resized, Steps, Track } from "./track";

/** What became of an attempt; the values of column "state". */
export const State = {
  ok: 0, error: 1, panic: 2, crash: 3, timeout: 4, cancelled: 5, refused: 6, running: 7,
} as const;

/** Set in a state: a later attempt of the same call follows. */
export const followed = 16;

export const stateNames = ["ok", "error", "panic", "crash", "timeout", "cancelled", "refused", "running"];

/** Reports whether a state is a failure that no later attempt made good. */
export function isFailure(state: number): boolean {
  return state >= State.error && state <= State.timeout;
}

/** The same of an attempt that was tried again. */
export function isRetried(state: number): boolean {
  return (state & followed) !== 0;
}

// Columns of spans and their element types, with what a missing column is filled with.
const spanColumns = {
  start: [Float64Array, 0],
  end: [Float64Array, NaN],
  queued: [Float64Array, NaN],
  lane: [Uint32Array, 0],
  task: [Uint16Array, 0],
  input: [Uint32Array, 0],
  attempt: [Uint16Array, 1],
  state: [Uint8Array, 0],
  error: [Int32Array, -1],
  cpu: [Float32Array, NaN],
  parked: [Float32Array, NaN],
  rss: [Float32Array, NaN],
  call: [Uint32Array, 0],
  text: [Uint32Array, 0],
} as const;

type SpanColumn = keyof typeof spanColumns;

const sampleColumns = ["s_t", "s_running", "s_queued", "s_cpu", "s_rss", "s_done", "s_failed"] as const;

export interface Samples {
  n: number;
  t: Float64Array;
  running: Float32Array;
  queued: Float32Array;
  cpu: Float32Array;
  rss: Float32Array;
  done: Float32Array;
  failed: Float32Array;
}

/** A batch of news of a running run. */
export interface Delta {
  seq: number;
  now: number;
  state?: Head["state"];
  counts?: Head["counts"];
  end?: Head["end"];
  inputs?: Head["inputs"];
  lanes?: LaneHead[];
  downs?: { [lane: string]: [number, number][] }; // of lanes that are known already
  engines?: Head["engines"];
  tasks?: string[];
  errors?: Failure[];
  marks?: Head["marks"];
  advice?: Head["advice"];
  strings?: string[];
  dropped?: number;
  samples?: (number | null)[][];
  spans?: { index: number[] } & { [name in SpanColumn]?: (number | null)[] };
}

export class Model {
  head: Head;
  n: number; // spans
  start: Float64Array;
  end: Float64Array; // NaN: runs
  queued: Float64Array;
  lane: Uint32Array;
  task: Uint16Array;
  input: Uint32Array;
  attempt: Uint16Array;
  state: Uint8Array;
  error: Int32Array;
  cpu: Float32Array;
  parked: Float32Array;
  rss: Float32Array;
  call: Uint32Array;
  text: Uint32Array;
  samples: Samples;

  tracks: Track[] = [];
  /** Counts the changes, so that whoever keeps something derived can tell that it is old. */
  version = 0;

  private order: Uint32Array | null = null; // spans by start; null: as they are
  private failures: { version: number; spans: Uint32Array } | null = null;
  private attempts: { version: number; calls: Map<number, number[]> } | null = null;

  constructor(snapshot: Snapshot) {
    this.head = snapshot.head;
    const start = snapshot.columns.get("start");
    this.n = start?.length ?? 0;
    const column = (name: SpanColumn): Column => {
      const [Type, fill] = spanColumns[name];
      const have = snapshot.columns.get(name);
      if (have instanceof Type && have.length === this.n) return have;
      const made = new Type(this.n);
      if (fill !== 0) made.fill(fill);
      return made;
    };
    this.start = column("start") as Float64Array;
    this.end = column("end") as Float64Array;
    this.queued = column("queued") as Float64Array;
    this.lane = column("lane") as Uint32Array;
    this.task = column("task") as Uint16Array;
    this.input = column("input") as Uint32Array;
    this.attempt = column("attempt") as Uint16Array;
    this.state = column("state") as Uint8Array;
    this.error = column("error") as Int32Array;
    this.cpu = column("cpu") as Float32Array;
    this.parked = column("parked") as Float32Array;
    this.rss = column("rss") as Float32Array;
    this.call = column("call") as Uint32Array;
    this.text = column("text") as Uint32Array;
    const [t, running, queued, cpu, rss, done, failed] = sampleColumns.map((name) => snapshot.columns.get(name));
    const m = t?.length ?? 0;
    const or = (c: Column | undefined): Float32Array =>
      c instanceof Float32Array && c.length === m ? c : new Float32Array(m).fill(NaN);
    this.samples = {
      n: m,
      t: (t as Float64Array) ?? new Float64Array(0),
      running: or(running), queued: or(queued), cpu: or(cpu), rss: or(rss), done: or(done), failed: or(failed),
    };
    this.index();
  }

  /** The last time that is known of, at which what runs still ran. */
  get now(): number {
    return this.head.now;
  }

  /** When span i ended, or now if it runs. */
  endOf(i: number): number {
    const e = this.end[i]!;
    return e === e ? e : Math.max(this.now, this.start[i]!);
  }

  /** How long span i took, or has taken. */
  duration(i: number): number {
    return this.endOf(i) - this.start[i]!;
  }

  /** How long span i waited for a lane; NaN if unknown. */
  wait(i: number): number {
    return Math.max(0, this.start[i]! - this.queued[i]!);
  }

  /** The input of span i as text; its number where the texts are not in the page. */
  label(i: number): string {
    const text = this.head.texts === "inline" ? this.head.strings?.[this.text[i]!] : undefined;
    return text !== undefined && text !== "" ? text : `#${this.input[i]! + 1}`;
  }

  taskName(i: number): string {
    return this.head.tasks[this.task[i]!] ?? "task";
  }

  laneName(lane: number): string {
    const l = this.head.lanes[lane];
    if (!l) return "–";
    const label = l.label || `${l.process ? l.process + " " : ""}#${l.slot ?? lane + 1}`;
    return /^\d+$/.test(label) ? `lane ${label}` : label;
  }

  /** Names a lane for good: its number may become another one when the run is told anew. */
  laneKey(lane: number): string {
    const l = this.head.lanes[lane];
    return l ? `${l.engine} ${this.laneName(lane)}` : "";
  }

  /** What became of span i, in a word. */
  stateName(i: number): string {
    const s = this.state[i]! & 15;
    if (s === State.running && this.head.state !== "running") return "unfinished";
    if (s === State.ok && this.attempt[i]! > 1) return "ok, retried";
    return (stateNames[s] ?? "unknown") + (isRetried(this.state[i]!) ? ", tried again" : "");
  }

  /** All spans in order of start. */
  byStart(): Uint32Array {
    if (this.order === null || this.order.length !== this.n) {
      const order = new Uint32Array(this.n);
      let sorted = true;
      for (let i = 0; i < this.n; i++) {
        order[i] = i;
        if (i > 0 && this.start[i]! < this.start[i - 1]!) sorted = false;
      }
      const start = this.start;
      this.order = sorted ? order : order.sort((a, b) => start[a]! - start[b]! || a - b);
    }
    return this.order;
  }

  /** The final failures in order of start. */
  failed(): Uint32Array {
    if (this.failures?.version !== this.version) {
      const order = this.byStart();
      const list: number[] = [];
      for (let k = 0; k < order.length; k++) if (isFailure(this.state[order[k]!]!)) list.push(order[k]!);
      this.failures = { version: this.version, spans: Uint32Array.from(list) };
    }
    return this.failures.spans;
  }

  /** The attempts of the calls that had more than one, by call. */
  retriedCalls(): Map<number, number[]> {
    if (this.attempts?.version !== this.version) {
      const calls = new Map<number, number[]>();
      for (let i = 0; i < this.n; i++) {
        if (this.attempt[i]! > 1 || isRetried(this.state[i]!)) {
          const list = calls.get(this.call[i]!);
          if (list) list.push(i);
          else calls.set(this.call[i]!, [i]);
        }
      }
      for (const list of calls.values()) list.sort((a, b) => this.attempt[a]! - this.attempt[b]!);
      this.attempts = { version: this.version, calls };
    }
    return this.attempts.calls;
  }

  /** The attempts of the call of span i, itself among them. */
  attemptsOf(i: number): number[] {
    if (this.attempt[i]! <= 1 && !isRetried(this.state[i]!)) return [i];
    return this.retriedCalls().get(this.call[i]!) ?? [i];
  }

  /** Reports whether span i is of an attempt that ran, or runs: what was refused is on no lane. */
  ran(i: number): boolean {
    return (this.state[i]! & 15) !== State.refused;
  }

  /** The steps of those spans that keep accepts; all without it. */
  steps(keep?: (i: number) => boolean): Steps {
    const order = this.byStart();
    const chosen = keep ? order.filter((i) => keep(i)) : order;
    const failed = chosen.filter((i) => isFailure(this.state[i]!));
    return new Steps(chosen, this.start, this.end, failed);
  }

  /** The tracks of those spans that keep accepts, one for each lane; null for an empty one. */
  tracksOf(keep?: (i: number) => boolean): Track[] {
    const lanes = this.head.lanes.length;
    const sizes = new Uint32Array(lanes);
    for (let i = 0; i < this.n; i++) {
      const lane = this.lane[i]!;
      if (lane < lanes && this.ran(i) && (!keep || keep(i))) sizes[lane]!++;
    }
    const tracks = Array.from(sizes, (size) => new Track(size));
    const order = this.byStart();
    for (let k = 0; k < order.length; k++) {
      const i = order[k]!;
      const lane = this.lane[i]!;
      if (lane >= lanes || !this.ran(i) || (keep && !keep(i))) continue;
      const e = this.end[i]!;
      tracks[lane]!.add(i, this.start[i]!, e === e ? e : Infinity, isFailure(this.state[i]!));
    }
    return tracks;
  }

  /** The sample in force at t; -1 before the first. */
  sampleAt(t: number): number {
    return upperBound(this.samples.t, t, 0, this.samples.n) - 1;
  }

  /** The attempt with this number of this call; -1 if it is not here. */
  find(call: number, attempt: number): number {
    for (let i = 0; i < this.n; i++) if (this.call[i] === call && this.attempt[i] === attempt) return i;
    return -1;
  }

  /**
   * Takes news in. It returns false if they do not fit what is here, in which case the
   * snapshot must be fetched again.
   */
  apply(d: Delta): boolean {
    const h = this.head;
    const s = d.spans;
    if (s) {
      let next = this.n;
      for (const i of s.index) {
        if (i > next) return false;
        if (i === next) next++;
      }
    }
    if (d.lanes?.length) {
      h.lanes.push(...d.lanes);
      for (let k = 0; k < d.lanes.length; k++) this.tracks.push(new Track());
    }
    for (const [lane, downs] of Object.entries(d.downs ?? {})) {
      const known = h.lanes[Number(lane)];
      if (known) known.downs = downs;
    }
    if (d.engines) h.engines = d.engines;
    if (d.tasks) h.tasks.push(...d.tasks);
    if (d.strings) (h.strings ??= []).push(...d.strings);
    for (const e of d.errors ?? []) {
      const k = h.errors.findIndex((old) => old.n === e.n);
      if (k < 0) h.errors.push(e);
      else h.errors[k] = e;
    }
    if (d.marks) h.marks.push(...d.marks);
    if (d.advice) h.advice = d.advice;
    if (d.state) h.state = d.state;
    if (d.counts) h.counts = d.counts;
    if (d.end) h.end = d.end;
    if (d.inputs) h.inputs = d.inputs;
    if (d.dropped !== undefined) h.dropped = d.dropped;
    h.seq = d.seq;
    h.now = Math.max(h.now, d.now);
    if (s) this.applySpans(s);
    if (d.samples?.length) this.applySamples(d.samples);
    this.version++;
    return true;
  }

  private applySpans(s: NonNullable<Delta["spans"]>): void {
    const before = this.n;
    const size = Math.max(this.n, ...s.index.map((i) => i + 1));
    if (size > this.start.length) this.grow(size);
    for (let k = 0; k < s.index.length; k++) {
      const i = s.index[k]!;
      for (const name of Object.keys(spanColumns) as SpanColumn[]) {
        const values = s[name];
        if (values) this[name][i] = values[k] ?? spanColumns[name][1];
        else if (i >= this.n) this[name][i] = spanColumns[name][1];
      }
      const track = this.tracks[this.lane[i]!];
      const e = this.end[i]!;
      const end = e === e ? e : Infinity;
      if (i >= this.n) {
        this.n = i + 1;
        if (this.ran(i)) track?.add(i, this.start[i]!, end, isFailure(this.state[i]!));
      } else {
        track?.update(i, this.start[i]!, end, isFailure(this.state[i]!));
      }
    }
    if (this.n > before && this.order !== null) this.extendOrder(before);
  }

  // Most spans come in order of start, so the new ones are sorted and go near the end.
  private extendOrder(before: number): void {
    const start = this.start;
    const less = (a: number, b: number): number => start[a]! - start[b]! || a - b;
    const order = new Uint32Array(this.n);
    order.set(this.order!.subarray(0, before));
    for (let i = before; i < this.n; i++) order[i] = i;
    let least = Infinity;
    for (let i = before; i < this.n; i++) least = Math.min(least, start[i]!);
    let lo = 0;
    let hi = before;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (start[order[mid]!]! <= least) lo = mid + 1;
      else hi = mid;
    }
    order.subarray(lo).sort(less);
    this.order = order;
  }

  private applySamples(rows: (number | null)[][]): void {
    const s = this.samples;
    const size = s.n + rows.length;
    if (size > s.t.length) {
      const room = Math.max(64, size * 2);
      s.t = resized(s.t, new Float64Array(room));
      for (const name of ["running", "queued", "cpu", "rss", "done", "failed"] as const) {
        s[name] = resized(s[name], new Float32Array(room));
      }
    }
    for (const row of rows) {
      const at = (k: number): number => row[k] ?? NaN;
      if (s.n > 0 && at(0) <= s.t[s.n - 1]!) continue;
      s.t[s.n] = at(0);
      s.running[s.n] = at(1);
      s.queued[s.n] = at(2);
      s.cpu[s.n] = at(3);
      s.rss[s.n] = at(4);
      s.done[s.n] = at(5);
      s.failed[s.n] = at(6);
      s.n++;
    }
  }

  private grow(size: number): void {
    const room = Math.max(1024, size, this.start.length + (this.start.length >> 1));
    for (const name of Object.keys(spanColumns) as SpanColumn[]) {
      const made = new spanColumns[name][0](room);
      made.set(this[name]);
      (this as Record<SpanColumn, Column>)[name] = made;
    }
  }

  private index(): void {
    this.tracks = this.tracksOf();
  }
}

/** The failure in list that starts next after t (by = 1) or last before t (by = -1); -1 if none. */
export function neighbour(list: Uint32Array, start: Float64Array, t: number, by: 1 | -1): number {
  const starts = Float64Array.from(list, (i) => start[i]!);
  const k = by > 0 ? upperBound(starts, t) : lowerBound(starts, t) - 1;
  return k >= 0 && k < list.length ? list[k]! : -1;
}
