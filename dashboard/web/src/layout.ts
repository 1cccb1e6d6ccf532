// Which rows the timeline has, and where they stand.
import type { Model } from "./model";
import { isFailure, isRetried, State, stateNames } from "./model";
import type { Steps } from "./track";

export type Grouping = "lane" | "task" | "state";
export const groupings: readonly Grouping[] = ["lane", "task", "state"];

/** Rows of slots are this high, in CSS pixels; where few lanes leave room, up to tallestSlot. */
export const slotHeight = 18;
export const tallestSlot = 30;
const headHeight = 20;
const areaHeight = 40;
const tallestArea = 132;

/** Above this many lanes a group starts collapsed. */
export const manyLanes = 100;

/** A set of spans that one row sums up. */
export interface Group {
  key: string;
  keep: (i: number) => boolean;
  lanes: number; // how many lanes it stands for; 0: unknown
}

export interface Row {
  kind: "group" | "slot";
  key: string;
  label: string;
  note: string;
  depth: number;
  y: number; // from the top of the lanes
  h: number;
  lane: number; // of a slot
  group: Group | null;
  closed: boolean; // a group whose rows are not shown, or that has none
  foldable: boolean;
  pinned: boolean; // kept in sight: above the others, which scroll below it
}

export interface Layout {
  rows: Row[];
  height: number;
  pinned: number; // the height of the pinned rows, which come first
  rowOfLane: Int32Array; // the row that shows a lane: its slot, or the closed group around it
}

/**
 * Lays out the rows. folded says of a group whether it is closed; room is the height that
 * there is: rows grow into what is left of it, within bounds. Of the lanes that are pinned,
 * those that find room in half of that come first.
 */
export function layOut(m: Model, by: Grouping, folded: (key: string, lanes: number) => boolean, room = 0, pins: readonly string[] = []): Layout {
  const rows: Row[] = [];
  const rowOfLane = new Int32Array(m.head.lanes.length).fill(-1);
  let y = 0;
  const push = (row: Omit<Row, "y" | "pinned">, pinned = false): void => {
    rows.push({ ...row, y, pinned });
    y += row.h;
  };
  const area = (key: string, label: string, note: string, keep: Group["keep"]): void =>
    push({
      kind: "group", key, label, note, depth: 0, h: areaHeight, lane: -1,
      group: { key, keep, lanes: 0 }, closed: true, foldable: false,
    });

  if (by === "task") {
    m.head.tasks.forEach((name, t) => area("t" + t, name, "", (i) => m.task[i] === t));
    return grow({ rows, height: y, pinned: 0, rowOfLane }, room);
  }
  if (by === "state") {
    const some = new Set<number>();
    let retriedOk = false;
    for (let i = 0; i < m.n; i++) {
      some.add(m.state[i]!);
      if (m.attempt[i]! > 1 && m.state[i] === State.ok) retriedOk = true;
    }
    area("s0", "ok", "first try", (i) => m.state[i] === State.ok && m.attempt[i]! <= 1);
    if (retriedOk) area("sr", "ok", "after a retry", (i) => m.state[i] === State.ok && m.attempt[i]! > 1);
    for (const s of [...some].sort((a, b) => a - b)) {
      if (s === State.ok) continue;
      const name = stateNames[s & 15] ?? "unknown";
      const note = isRetried(s) ? "tried again" : isFailure(s) ? "failed" : "";
      area("s" + s, name, note, (i) => m.state[i] === s);
    }
    return grow({ rows, height: y, pinned: 0, rowOfLane }, room);
  }

  const slot = (lane: number, label: string, depth: number, pinned: boolean): void => {
    rowOfLane[lane] = rows.length;
    push({ kind: "slot", key: "l" + lane, label, note: "", depth, h: slotHeight, lane, group: null, closed: false, foldable: false }, pinned);
  };
  const byKey = new Map(pins.length > 0 ? m.head.lanes.map((_, lane) => [m.laneKey(lane), lane] as const) : []);
  const pinned = pins.flatMap((key) => byKey.get(key) ?? []);
  for (const lane of pinned.slice(0, room > 0 ? Math.floor(room / 2 / slotHeight) : pinned.length)) {
    const engine = m.head.engines.length > 1 ? m.head.engines[m.head.lanes[lane]!.engine]!.name + " " : "";
    slot(lane, engine + m.laneName(lane), 0, true);
  }
  for (const [e, processes] of lanesByProcess(m)) {
    const engine = m.head.engines[e];
    const lanes = [...processes.values()].reduce((sum, list) => sum + list.length, 0);
    const key = "e" + e;
    const group = (k: string, n: number, keep: Group["keep"]): Group => ({ key: k, keep, lanes: n });
    const engineOf = m.head.lanes;
    const closed = folded(key, lanes);
    const at = rows.length;
    push({
      kind: "group", key, label: engine?.name ?? "engine", note: `×${engine?.limit || lanes}`,
      depth: 0, h: closed ? areaHeight : headHeight, lane: -1,
      group: group(key, engine?.limit || lanes, (i) => engineOf[m.lane[i]!]?.engine === e),
      closed, foldable: true,
    });
    // A process with one slot is that slot; one process alone needs no row of its own.
    const apart = processes.size > 1 && lanes > processes.size;
    for (const [process, list] of processes) {
      const inner = `${key}/${process}`;
      const innerClosed = apart && folded(inner, list.length);
      let owner = closed ? at : -1;
      if (!closed && apart) {
        owner = innerClosed ? rows.length : -1;
        const of = new Set(list);
        push({
          kind: "group", key: inner, label: process, note: `×${list.length}`, depth: 1,
          h: innerClosed ? areaHeight : headHeight, lane: -1,
          group: group(inner, list.length, (i) => of.has(m.lane[i]!)), closed: innerClosed, foldable: true,
        });
      }
      for (const lane of list) {
        if (rowOfLane[lane]! >= 0) continue; // pinned
        if (owner >= 0) rowOfLane[lane] = owner;
        else slot(lane, m.laneName(lane), apart ? 2 : 1, false);
      }
    }
  }
  return grow({ rows, height: y, pinned: 0, rowOfLane }, room);
}

// Lanes share the room that is left; where there are none, areas do.
function grow(l: Layout, room: number): Layout {
  let left = room - l.height - 6;
  for (const [which, most] of [[(r: Row) => r.kind === "slot", tallestSlot], [(r: Row) => r.h === areaHeight, tallestArea]] as const) {
    const rows = l.rows.filter(which);
    if (rows.length === 0 || left < rows.length) continue;
    const more = Math.min(most - rows[0]!.h, Math.floor(left / rows.length));
    for (const r of rows) r.h += more;
    left -= more * rows.length;
  }
  l.height = l.pinned = 0;
  for (const r of l.rows) {
    r.y = l.height;
    l.height += r.h;
    if (r.pinned) l.pinned = l.height;
  }
  return l;
}

// Beyond this many lanes their order says nothing to anybody, and sorting names is dear.
const mostSorted = 2000;

function lanesByProcess(m: Model): Map<number, Map<string, number[]>> {
  const engines = new Map<number, Map<string, number[]>>();
  m.head.lanes.forEach((l, lane) => {
    let processes = engines.get(l.engine);
    if (!processes) engines.set(l.engine, (processes = new Map()));
    const process = String(l.process ?? "");
    const list = processes.get(process);
    if (list) list.push(lane);
    else processes.set(process, [lane]);
  });
  // Lanes are told of in the order in which they are first used.
  const order = new Intl.Collator("en", { numeric: true });
  const name = (lane: number): string => m.laneName(lane);
  for (const processes of engines.values()) {
    for (const list of processes.values()) if (list.length <= mostSorted) list.sort((a, b) => order.compare(name(a), name(b)) || a - b);
    const sorted = [...processes].sort((a, b) => order.compare(a[0], b[0]));
    processes.clear();
    for (const [process, list] of sorted) processes.set(process, list);
  }
  return new Map([...engines].sort((a, b) => a[0] - b[0]));
}

/** The row at height y; null between the rows. */
export function rowAt(rows: readonly Row[], y: number): Row | null {
  let lo = 0;
  let hi = rows.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (rows[mid]!.y + rows[mid]!.h <= y) lo = mid + 1;
    else hi = mid;
  }
  const row = rows[lo];
  return row && row.y <= y ? row : null;
}

/** Keeps the steps of groups, and makes them again when the run has grown: not more often than it can bear. */
export class StepsCache {
  private kept = new Map<string, { version: number; made: number; cost: number; steps: Steps }>();

  constructor(private readonly m: Model) {}

  get(key: string, keep?: (i: number) => boolean): Steps {
    const old = this.kept.get(key);
    const now = performance.now();
    if (old && (old.version === this.m.version || now - old.made < Math.max(200, 20 * old.cost))) return old.steps;
    const steps = this.m.steps(keep);
    this.kept.set(key, { version: this.m.version, made: now, cost: performance.now() - now, steps });
    return steps;
  }

  clear(): void {
    this.kept.clear();
  }
}
