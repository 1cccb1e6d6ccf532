// The head of the page: what run this is, how it went, and what can be done with it.
import type { JSX } from "preact";
import * as format from "./format";
import * as state from "./state";
import { eta, throughput } from "./stats";
import type { Model } from "./model";

type Verdict = "running" | "ok" | "failed" | "stopped" | "died" | "stale";

const verdicts: Record<Verdict, [string, string]> = {
  running: ["▶", "running"], ok: ["✓", "ok"], failed: ["✕", "failed"],
  stopped: ["■", "stopped"], died: ["!", "died"], stale: ["…", "stale"],
};

/** How the run stands, in a word. */
export function verdictOf(m: Model): Verdict {
  const { state: s, end } = m.head;
  if (s === "died" || s === "stale") return s;
  if (s === "running") return "running";
  return end?.verdict ?? ((m.head.counts.failed ?? 0) > 0 ? "failed" : "ok");
}

interface Part {
  key: string;
  name: string;
  n: number;
  mark: string;
}

function partsOf(m: Model): { parts: Part[]; total: number; known: boolean } {
  const c = m.head.counts;
  const live = m.head.state === "running";
  const parts: Part[] = [
    { key: "ok", name: "ok", n: c.ok ?? 0, mark: "✓" },
    { key: "retried", name: "ok after a retry", n: c.retried ?? 0, mark: "↻" },
    { key: "failed", name: "failed", n: c.failed ?? 0, mark: "✕" },
    { key: "stopped", name: "stopped", n: c.stopped ?? 0, mark: "■" },
    { key: "skipped", name: "not tried", n: c.skipped ?? 0, mark: "–" },
    { key: "running", name: live ? "running" : "unfinished", n: c.running ?? 0, mark: "▶" },
    { key: "queued", name: live ? "queued" : "not begun", n: c.queued ?? 0, mark: "·" },
  ];
  const sum = parts.reduce((a, p) => a + p.n, 0);
  const known = m.head.inputs.total > 0;
  return { parts, total: Math.max(sum, m.head.inputs.total), known };
}

function Progress({ m }: { m: Model }): JSX.Element {
  const { parts, total, known } = partsOf(m);
  const done = parts.slice(0, 5).reduce((a, p) => a + p.n, 0);
  const text = parts.filter((p) => p.n > 0).map((p) => `${format.count(p.n)} ${p.name}`).join(", ");
  return (
    <div class="progress">
      <div
        class="bar" role="progressbar" aria-label="inputs" aria-valuemin={0} aria-valuemax={total} aria-valuenow={done}
        aria-valuetext={text || "nothing yet"}
      >
        {parts.map((p) => p.n > 0 && (
          <span key={p.key} class={`seg seg-${p.key}`} style={{ flexGrow: p.n / Math.max(1, total) }} title={`${format.count(p.n)} ${p.name}`} />
        ))}
        <span class="seg seg-rest" style={{ flexGrow: Math.max(0, total - parts.reduce((a, p) => a + p.n, 0)) / Math.max(1, total) }} />
      </div>
      <div class="legend">
        {parts.map((p) => p.n > 0 && (
          <button
            type="button" key={p.key} class={`key key-${p.key}`} title={`Show these in the table: ${p.name}`}
            onClick={() => state.search(queries[p.key] ?? "")}
          >
            <i aria-hidden="true">{p.mark}</i><b>{format.count(p.n)}</b> {p.name}
          </button>
        ))}
        <span class="of">{known ? `of ${format.count(m.head.inputs.total)}` : m.head.state === "running" && total > 0 ? `of at least ${format.count(total)}` : ""}</span>
      </div>
    </div>
  );
}

const queries: Record<string, string> = {
  ok: "state:ok attempt=1", retried: "state:ok attempt>1", failed: "state:failed", stopped: "state:cancelled",
  skipped: "state:refused", running: "state:running", queued: "",
};

function Numbers({ m }: { m: Model }): JSX.Element {
  const running = m.head.state === "running";
  const rates = throughput(m);
  const c = m.head.counts;
  const done = (c.ok ?? 0) + (c.retried ?? 0) + (c.failed ?? 0);
  const ends = running ? eta(m) : null;
  const elapsed = m.head.end?.t ?? m.now;
  return (
    <dl class="numbers">
      <div><dt>{running ? "elapsed" : "took"}</dt><dd>{format.duration(elapsed)}</dd></div>
      {running && (
        <div title="The earliest and the latest, from the recent and the mean rate">
          <dt>left</dt>
          <dd>{ends ? (ends[1] - ends[0] < 0.1 * ends[1] ? `~ ${format.duration(ends[1])}` : `${format.duration(ends[0])} – ${format.duration(ends[1])}`) : "–"}</dd>
        </div>
      )}
      <div title={running ? "Inputs a second: in the last seconds, and in all" : "Inputs a second"}>
        <dt>rate</dt>
        <dd>
          {running && rates.recent === rates.recent ? <>{format.rate(rates.recent, 1e6)} <small>Ø {format.rate(rates.mean, 1e6)}</small></> : done > 0 ? format.rate(done, elapsed) : "–"}
        </dd>
      </div>
    </dl>
  );
}

function Dot({ m }: { m: Model }): JSX.Element | null {
  const c = state.connection.value;
  if (!state.parts.source?.live) return <span class="dot" title="This file holds the whole run; it needs no server.">file</span>;
  if (c === "none") return null;
  const quiet = Math.round((performance.now() - state.heard.value) / 1000);
  void state.version.value;
  const text = {
    live: state.paused.value ? "held" : "live", connecting: "connecting", lost: "reconnecting", hidden: "asleep",
  }[c];
  const title = c === "lost"
    ? `No news for ${quiet} s. The run may have ended or its process died (last news at ${format.at(m.now, 1e6)}). The page tries again by itself.`
    : c === "live" ? "News come as they happen." : "";
  return <span class={`dot dot-${c}`} role="status" title={title}>{text}{c === "lost" && quiet > 1 ? ` · stale ${quiet} s` : ""}</span>;
}

let lanesWanted = 0; // 0: as the run began

function Controls({ m }: { m: Model }): JSX.Element | null {
  if (m.head.state !== "running") return null;
  const act = (name: string, done: string): void => {
    state.parts.source?.command(name).then(() => state.say(done), (e: Error) => state.say(e.message));
  };
  const resize = (by: number): void => {
    lanesWanted = Math.max(1, (lanesWanted || (m.head.engines[0]?.limit ?? m.head.lanes.length)) + by);
    act(`jobs?n=${lanesWanted}`, `${lanesWanted} lanes`);
  };
  return (
    <>
      <button type="button" class="tool" aria-pressed={state.follow.value} title="Follow the run live (L)" onClick={() => state.parts.timeline?.setFollow(!state.follow.value)}>Follow</button>
      {m.head.control && (
        <>
          <button type="button" class="tool" title="Start no further tasks" onClick={() => act("pause", "paused: running tasks go on, no new ones start")}>Pause</button>
          <button type="button" class="tool" title="Start tasks again" onClick={() => act("resume", "goes on")}>Resume</button>
          <button type="button" class="tool" title="One lane fewer" aria-label="one lane fewer" onClick={() => resize(-1)}>−</button>
          <button type="button" class="tool" title="One lane more" aria-label="one lane more" onClick={() => resize(1)}>+</button>
          <button
            type="button" class="tool danger" title="End the run"
            onClick={() => (state.question.value = { text: "Stop the run? What runs is cancelled; “braid run --resume” can take it up again.", yes: "Stop the run", act: () => act("stop", "stopping") })}
          >Stop</button>
        </>
      )}
    </>
  );
}

export function Header(): JSX.Element {
  const m = state.model.value!;
  void state.version.value;
  const verdict = verdictOf(m);
  const [icon, word] = verdicts[verdict];
  const { run, engines } = m.head;
  const name = run.name || run.task || "run";
  return (
    <header class="head">
      <div class="who">
        <span class={`verdict verdict-${verdict}`}><i aria-hidden="true">{icon}</i>{word}</span>
        <div class="name">
          <h1 title={run.args?.length ? format.shell(run.args) : name}>{name}</h1>
          <p>
            {engines.length === 0 ? (m.head.state === "running" ? "no engine yet" : "no engine") : engines.map((e) => (
              <button
                key={e.e} type="button" class="engine" title={m.head.decision || e.why ? "Why this engine" : e.kind}
                onClick={() => (state.decision.value = true)}
              >{e.name}{e.limit ? <span> ×{format.count(e.limit)}</span> : null}</button>
            ))}
            {run.wall && <time dateTime={run.wall}>{format.date(run.wall)}</time>}
          </p>
        </div>
      </div>
      <Progress m={m} />
      <Numbers m={m} />
      <div class="tools">
        <Dot m={m} />
        <Controls m={m} />
        <button type="button" class="tool icon" title="Light, dark, or as the system" aria-label={`colours: ${state.theme.value}`} onClick={nextTheme}>
          {state.theme.value === "auto" ? "◐" : state.theme.value === "dark" ? "●" : "○"}
        </button>
        <button type="button" class="tool icon" title="Keys (?)" aria-label="help" onClick={() => (state.help.value = true)}>?</button>
      </div>
    </header>
  );
}

function nextTheme(): void {
  const dark = document.documentElement.dataset["theme"] === "dark";
  // From the system's to the other one, then through all.
  state.theme.value = state.theme.value === "auto" ? (dark ? "light" : "dark") : state.theme.value === "dark" && !dark ? "light" : "auto";
}
