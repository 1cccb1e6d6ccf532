// Starts the page.
import { render } from "preact";
import { App } from "./app";
import { press } from "./keys";
import { Live } from "./live";
import { Model, type Delta } from "./model";
import { findSource } from "./source";
import * as state from "./state";

const held: Delta[] = []; // news that wait until the view goes on
const mostHeld = 2000;
let slowTimer = 0;

async function load(): Promise<void> {
  const snapshot = await state.parts.source!.snapshot();
  const m = new Model(snapshot);
  const old = state.model.value;
  const first = old === null;
  if (old && state.selected.value >= 0) {
    // Its place may be another one now.
    const i = state.selected.value;
    state.selected.value = m.find(old.call[i]!, old.attempt[i]!);
  }
  state.model.value = m;
  state.heard.value = performance.now();
  if (first) state.tab.value = state.defaultTab(m);
  document.title = `${m.head.run.name || m.head.run.task || "run"} · braid`;
  bump();
}

function bump(): void {
  state.version.value++;
  if (slowTimer !== 0) return;
  // The larger the run, the less often its tables are made anew.
  const wait = Math.max(500, (state.model.value?.n ?? 0) / 200);
  slowTimer = window.setTimeout(() => {
    slowTimer = 0;
    state.slow.value++;
  }, state.slow.value === 0 ? 0 : wait);
}

const live = new Live({
  seq: () => state.model.value?.head.seq ?? 0,
  delta: (d) => {
    state.heard.value = performance.now();
    state.unseen.value += d.spans?.index.length ?? 0;
    if (state.paused.value) {
      held.push(d);
      if (held.length > mostHeld) {
        // Too much to keep: the snapshot has it all when the view goes on.
        held.length = 0;
        behind = true;
      }
      return;
    }
    take(d);
  },
  resync: load,
  over: () => state.model.value?.head.state !== "running",
  connection: (c) => (state.connection.value = c),
});
let behind = false;

function take(d: Delta): void {
  const m = state.model.value;
  if (!m || d.seq <= m.head.seq) return; // known already
  if (!m.apply(d)) {
    void live.resync();
    return;
  }
  state.parts.timeline?.grown();
  bump();
  // At the end everything is told once more, in better order.
  if (m.head.state !== "running") void live.resync();
}

async function start(): Promise<void> {
  state.applyTheme(() => state.parts.timeline?.recolour());
  const source = findSource();
  state.parts.source = source;
  render(<App />, document.getElementById("app")!);
  try {
    await load();
  } catch (e) {
    state.failure.value = e instanceof Error ? e.message : String(e);
    return;
  }
  // The token has become a cookie, and need not be seen or sent on with the address.
  if (location.search) history.replaceState(null, "", location.pathname + location.hash);
  if (source.live && state.model.value!.head.state === "running") live.start();
  state.filter.subscribe(() => state.askForTexts());
  state.paused.subscribe((on) => {
    if (on) return;
    if (behind) {
      behind = false;
      held.length = 0;
      void live.resync();
    } else {
      for (const d of held.splice(0)) take(d);
    }
    if (state.follow.value) state.unseen.value = 0;
  });
  document.addEventListener("keydown", (e) => {
    if (press(e)) e.preventDefault();
  });
  window.addEventListener("hashchange", () => state.readAddress());
  // While the connection is lost, the age of the last news is told.
  window.setInterval(() => {
    if (state.connection.value === "lost") state.version.value++;
  }, 1000);
}

// For tests and the curious: what the page holds, and how long its frames took.
declare global {
  interface Window {
    braid: typeof state;
  }
}
window.braid = state;

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => void start());
else void start();
