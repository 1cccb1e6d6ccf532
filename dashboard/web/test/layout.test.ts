import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut, rowAt } from "../src/layout";
import { assignColours } from "../src/theme";
import { modelOf } from "./made";

const rows = [{ start: 0, end: 1, lane: 0 }, { start: 0, end: 1, lane: 3, state: 1 }, { start: 2, end: 3, lane: 1, task: 1, attempt: 2 }];
const engines = [{ e: 1, name: "threads", kind: "threads", limit: 2 }, { e: 2, name: "processes", kind: "processes", limit: 4 }];
const lane = (engine: number, process: string, slot: number): object => ({ engine, process, slot, label: `${process}#${slot}` });

test("engine, process, slot; levels that say nothing are left out", () => {
  const m = modelOf(rows, {
    engines, lanes: [lane(0, "", 1), lane(0, "", 2), lane(1, "w1", 1), lane(1, "w1", 2), lane(1, "w2", 1)] as never,
  });
  const l = layOut(m, "lane", () => false);
  assert.deepEqual(l.rows.map((r) => r.label), ["threads", "#1", "#2", "processes", "w1", "w1#1", "w1#2", "w2", "w2#1"]);
  assert.deepEqual([...l.rowOfLane], [1, 2, 5, 6, 8]);
  const single = layOut(modelOf(rows, { engines, lanes: [lane(1, "w1", 1), lane(1, "w2", 1), lane(1, "w3", 1), lane(1, "w4", 1)] as never }), "lane", () => false);
  assert.deepEqual(single.rows.map((r) => r.label), ["processes", "w1#1", "w2#1", "w3#1", "w4#1"], "a process of one slot is that slot");
});

test("a closed group stands for its lanes", () => {
  const m = modelOf(rows, { engines, lanes: [lane(0, "", 1), lane(0, "", 2), lane(1, "w1", 1), lane(1, "w1", 2), lane(1, "w2", 1)] as never });
  const l = layOut(m, "lane", (key) => key === "e0" || key === "e1/w1");
  assert.deepEqual(l.rows.map((r) => r.label), ["threads", "processes", "w1", "w2", "w2#1"]);
  assert.deepEqual([...l.rowOfLane], [0, 0, 2, 2, 4]);
  assert.ok(l.rows[0]!.closed && !l.rows[1]!.closed && l.rows[2]!.closed);
});

test("by task and by state every span has one row", () => {
  const m = modelOf(rows);
  for (const by of ["task", "state"] as const) {
    const l = layOut(m, by, () => false);
    for (let i = 0; i < m.n; i++) assert.equal(l.rows.filter((r) => r.group!.keep(i)).length, 1, `span ${i} by ${by}`);
  }
});

test("the row at a height", () => {
  const l = layOut(modelOf(rows), "lane", () => false);
  for (const r of l.rows) {
    assert.equal(rowAt(l.rows, r.y), r);
    assert.equal(rowAt(l.rows, r.y + r.h - 0.5), r);
  }
  assert.equal(rowAt(l.rows, -1), null);
  assert.equal(rowAt(l.rows, l.height), null);
});

test("a task has one colour in every run, and no two share one while there are others", () => {
  const names = ["resize", "hash", "fetch", "index", "upload", "a", "b", "c"];
  assert.equal(new Set(assignColours(names)).size, 8);
  assert.equal(assignColours(["hash"])[0], assignColours(["hash"])[0]);
  assert.equal(assignColours([...names, "one more"]).length, 9);
});

test("rows grow into the room there is, within bounds", () => {
  const m = modelOf(rows);
  const small = layOut(m, "lane", () => false, 10);
  const some = layOut(m, "lane", () => false, small.height + 30);
  const large = layOut(m, "lane", () => false, 5000);
  assert.ok(some.height > small.height && some.height <= small.height + 30);
  assert.ok(large.rows.every((r) => r.h <= 30));
  const areas = layOut(m, "task", () => false, 5000);
  assert.ok(areas.rows.every((r) => r.h > 100 && r.h < 150));
  for (const l of [small, some, large, areas]) {
    let y = 0;
    for (const r of l.rows) {
      assert.equal(r.y, y);
      y += r.h;
    }
    assert.equal(l.height, y);
  }
});

test("lanes are in order of their names, as a person counts", () => {
  const m = modelOf(rows, { engines, lanes: ["10", "2", "1", "30"].map((label, k) => ({ engine: 0, process: "", slot: k + 1, label })) as never });
  assert.deepEqual(layOut(m, "lane", () => false).rows.map((r) => r.label), ["threads", "lane 1", "lane 2", "lane 10", "lane 30"]);
});

test("pinned lanes come first, each lane once, and leave half of the room to others", () => {
  const m = modelOf(rows, { engines, lanes: [lane(0, "", 1), lane(0, "", 2), lane(1, "w1", 1), lane(1, "w1", 2), lane(1, "w2", 1)] as never });
  const l = layOut(m, "lane", (key) => key === "e0", 0, ["1 w1#2", "gone", "0 #1"]);
  assert.deepEqual(l.rows.map((r) => r.label), ["processes w1#2", "threads #1", "threads", "processes", "w1", "w1#1", "w2", "w2#1"]);
  assert.deepEqual([...l.rowOfLane], [1, 2, 5, 0, 7]);
  assert.ok(l.pinned > 0 && l.rows.every((r) => r.pinned === r.y < l.pinned));
  const small = layOut(m, "lane", () => false, 40, ["1 w1#2", "gone", "0 #1"]);
  assert.deepEqual(small.rows.filter((r) => r.pinned).map((r) => r.lane), [3]);
  assert.equal(layOut(m, "task", () => false, 0, ["1 w1#2"]).pinned, 0);
});
