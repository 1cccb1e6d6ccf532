// Runs for tests, from rows.
import { Model } from "../src/model";
import type { Head, Snapshot } from "../src/snapshot";

export interface Row {
  start: number;
  end?: number; // missing: runs
  lane?: number;
  task?: number;
  state?: number;
  attempt?: number;
  call?: number;
  error?: number;
  queued?: number;
  cpu?: number;
  text?: string;
}

/** The snapshot of a run with these spans. */
export function snapshotOf(rows: readonly Row[], head: Partial<Head> = {}): Snapshot {
  const strings: string[] = [];
  const f64 = (of: (r: Row, i: number) => number): Float64Array => Float64Array.from(rows, of);
  const u32 = (of: (r: Row, i: number) => number): Uint32Array => Uint32Array.from(rows, of);
  const lanes = Math.max(1, ...rows.map((r) => (r.lane ?? 0) + 1));
  return {
    head: {
      version: 1, seq: 1, run: {}, state: "ended", now: Math.max(0, ...rows.map((r) => r.end ?? r.start)), end: null,
      inputs: { total: rows.length, read: rows.length }, counts: {}, engines: [{ e: 1, name: "threads", kind: "threads", limit: lanes }],
      lanes: Array.from({ length: lanes }, (_, k) => ({ engine: 0, process: "", slot: k + 1, label: `thread ${k + 1}` })),
      tasks: ["resize", "hash"], errors: [], marks: [], advice: [], dropped: 0, decision: null, texts: "inline", strings,
      spans: rows.length, truncated: null, columns: [], ...head,
    },
    columns: new Map<string, never>(Object.entries({
      start: f64((r) => r.start), end: f64((r) => r.end ?? NaN), queued: f64((r) => r.queued ?? NaN), lane: u32((r) => r.lane ?? 0),
      task: Uint16Array.from(rows, (r) => r.task ?? 0), input: u32((_, i) => i), attempt: Uint16Array.from(rows, (r) => r.attempt ?? 1),
      state: Uint8Array.from(rows, (r) => r.state ?? (r.end === undefined ? 7 : 0)), error: Int32Array.from(rows, (r) => r.error ?? -1),
      cpu: Float32Array.from(rows, (r) => r.cpu ?? NaN), parked: new Float32Array(rows.length), rss: new Float32Array(rows.length).fill(NaN),
      call: u32((r, i) => r.call ?? i), text: u32((r, i) => strings.push(r.text ?? `file-${i}.jpg`) - 1),
    }) as [string, never][]),
  };
}

export function modelOf(rows: readonly Row[], head: Partial<Head> = {}): Model {
  return new Model(snapshotOf(rows, head));
}

/** A small generator of numbers in [0, 1) that always gives the same ones. */
export function numbers(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}
