// The snapshot of a run: a JSON head and columns of numbers, as the server encodes it.
//
//   u32 little endian N, N bytes of JSON (padded with spaces to a multiple of 8 with the
//   length), then the columns, each at a multiple of 8 bytes.

/** The version of the format that this page reads. */
export const version = 1;

export type RunState = "running" | "ended" | "died" | "stale";

export interface Run {
  id?: string;
  name?: string;
  task?: string;
  args?: string[];
  wall?: string;
  braid?: string;
  go?: string;
  os?: string;
  arch?: string;
  host?: string;
  pid?: number;
  cpus?: number;
  dir?: string;
  parent?: string;
}

export interface End {
  t?: number;
  verdict?: "ok" | "failed" | "stopped" | "died";
  exit?: number;
  ok?: number;
  failed?: number;
  stopped?: number;
  skipped?: number;
  total?: number;
}

export interface Counts {
  ok?: number;
  retried?: number;
  failed?: number;
  running?: number;
  queued?: number;
  stopped?: number;
  skipped?: number;
}

export interface Engine {
  e: number;
  name: string;
  kind: string;
  limit?: number;
  why?: string;
}

export interface LaneHead {
  engine: number;
  process?: string | number;
  slot?: number;
  label?: string;
  downs?: [number, number][];
}

export interface Failure {
  n: number;
  kind: string;
  print: string;
  text: string;
  stack?: string;
  count: number;
  first: number;
  last: number;
  sample: number;
}

export interface Mark {
  t: number;
  kind: string;
  text: string;
  lane?: number;
}

export interface Advice {
  code: string;
  text: string;
  try?: string;
}

export interface ColumnHead {
  name: string;
  type: "f64" | "f32" | "u32" | "u16" | "u8" | "i32";
  offset: number;
  length: number;
}

export interface Head {
  version: number;
  seq: number;
  run: Run;
  state: RunState;
  now: number;
  end: End | null;
  inputs: { total: number; read: number };
  counts: Counts;
  engines: Engine[];
  lanes: LaneHead[];
  tasks: string[];
  errors: Failure[];
  marks: Mark[];
  advice: Advice[];
  dropped: number;
  decision: string | null;
  texts: "inline" | "lazy";
  strings?: string[];
  spans: number;
  truncated: { shown: number; of: number } | null;
  control?: boolean;
  sorted?: boolean;
  columns: ColumnHead[];
}

export type Column = Float64Array | Float32Array | Uint32Array | Uint16Array | Uint8Array | Int32Array;

const types = {
  f64: Float64Array,
  f32: Float32Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
  i32: Int32Array,
} as const;

/** What tells a person why a snapshot cannot be shown. */
export class SnapshotError extends Error {}

export interface Snapshot {
  head: Head;
  columns: Map<string, Column>;
}

/** Reads a snapshot. The columns are views of buffer: nothing is copied. */
export function decode(buffer: ArrayBuffer): Snapshot {
  if (buffer.byteLength < 4) throw new SnapshotError("The data of this run is empty.");
  const length = new DataView(buffer).getUint32(0, true);
  const base = 4 + length;
  if (base > buffer.byteLength) throw new SnapshotError("The data of this run is cut short.");
  let head: Head;
  try {
    head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Head;
  } catch {
    throw new SnapshotError("The data of this run cannot be read: it is not a snapshot.");
  }
  if (!(head.version <= version)) {
    throw new SnapshotError(
      `This recording has version ${head.version} of the page's data, and this page reads up to version ${version}. Open it with a newer braid.`,
    );
  }
  const columns = new Map<string, Column>();
  for (const c of head.columns ?? []) {
    const Type = types[c.type];
    if (!Type) continue; // a newer kind of column, which this page has no use for
    if (base + c.offset + c.length * Type.BYTES_PER_ELEMENT > buffer.byteLength) {
      throw new SnapshotError(`The data of this run is cut short in column “${c.name}”.`);
    }
    columns.set(c.name, new Type(buffer, base + c.offset, c.length));
  }
  // What a field leaves out is empty, so that nothing else has to ask.
  head.run ??= {};
  head.inputs ??= { total: 0, read: 0 };
  head.counts ??= {};
  head.end ??= null;
  head.truncated ??= null;
  head.decision ??= null;
  head.dropped ??= 0;
  for (const key of ["engines", "lanes", "tasks", "errors", "marks", "advice"] as const) {
    (head[key] as unknown[]) ??= [];
  }
  return { head, columns };
}
