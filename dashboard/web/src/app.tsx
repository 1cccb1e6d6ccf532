// The page.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import * as format from "./format";
import { Header, verdictOf } from "./header";
import { Inspector } from "./inspector";
import { groupings } from "./layout";
import { keyHelp } from "./keys";
import { useSlowly } from "./later";
import type { Model } from "./model";
import { Panels } from "./panels";
import * as state from "./state";
import { Timeline } from "./timeline";

export function App(): JSX.Element {
  if (state.failure.value) {
    return <main class="boot"><h1>This run cannot be shown</h1><p>{state.failure.value}</p></main>;
  }
  const m = state.model.value;
  if (!m) return <p class="boot">Loading the run…</p>;
  return (
    <div class={`page${state.side.value ? "" : " wide"}`}>
      <Header />
      <Banner />
      <div class="middle">
        <Hero />
        {state.side.value && <Inspector />}
      </div>
      <Splitter />
      <Panels />
      <Help />
      <Decision />
      <Question />
      <p class="notice" role="status" hidden={!state.notice.value}>{state.notice.value}</p>
    </div>
  );
}

function Banner(): JSX.Element | null {
  const m = state.model.value!;
  void state.version.value;
  const { state: s, truncated, dropped, end } = m.head;
  const lines: JSX.Element[] = [];
  if (s === "died") {
    lines.push(<p key="died"><b class="bad">The run died.</b> Its process is gone and wrote no end; the last news are from {format.at(m.now, 1e4)}. “braid run --resume {m.head.run.id || "last"}” does the rest.</p>);
  } else if (s === "stale") {
    lines.push(<p key="stale">No news of this run for a while; its process may be stopped or gone.</p>);
  } else if (end?.verdict === "stopped") {
    lines.push(<p key="stopped">The run was stopped before its end.{m.head.run.id ? ` “braid run --resume ${m.head.run.id}” goes on.` : ""}</p>);
  }
  if (truncated) {
    lines.push(<p key="cut">Shown are {format.count(truncated.shown)} of {format.count(truncated.of)} attempts; the counts above are of all.</p>);
  }
  if (dropped > 0) {
    lines.push(<p key="drop">{format.count(dropped)} events were not recorded, so that something is missing here; the run itself was not affected.</p>);
  }
  return lines.length ? <div class="banner" role="status">{lines}</div> : null;
}

/** The timeline and its tools. */
function Hero(): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const m = state.model.value!;
  useEffect(() => {
    const tl = new Timeline(host.current!, {
      select: (span) => state.select(span, false),
      range: (r) => {
        state.range.value = r;
        if (r) {
          state.selected.value = -1;
          state.side.value = true;
        }
      },
      view: () => state.writeAddress(),
      pin: (lane) => state.pin(lane),
      painted: () => (state.painted.value = performance.now()),
      follow: (on) => {
        state.follow.value = on;
        state.unseen.value = 0;
      },
    });
    state.parts.timeline = tl;
    return () => {
      tl.destroy();
      state.parts.timeline = null;
    };
  }, []);
  useEffect(() => {
    const tl = state.parts.timeline!;
    const again = tl.m !== null;
    tl.show(m);
    if (again) {
      // The same run, fetched anew: who looks at it keeps looking at the same.
      tl.select(state.selected.value);
      tl.grown();
      return;
    }
    tl.go(tl.whole(), false);
    state.readAddress();
    if (m.head.state === "running" && !location.hash.includes("from=")) tl.setFollow(true);
  }, [m]);
  const filter = state.filter.value;
  useEffect(() => {
    state.parts.timeline?.match(filter ? filter.keep : null);
    state.writeAddress();
  }, [filter, m]);
  useEffect(() => {
    state.writeAddress();
  }, [state.tab.value, state.selected.value]);
  // What a screen reader hears of the picture: not more often than it can be listened to.
  void state.slow.value;
  const summary = useSlowly(describe(m), 5000);
  useEffect(() => state.parts.timeline?.describe(summary), [summary]);
  const tl = state.parts.timeline;
  return (
    <div class="hero">
      <div class="bar-tools" role="toolbar" aria-label="timeline">
        <label><span class="word">group by </span><select aria-label="group by"
          value={state.grouping.value}
          onChange={(e) => {
            state.grouping.value = e.currentTarget.value as (typeof groupings)[number];
            state.parts.timeline?.setGrouping(state.grouping.value);
          }}
        >{groupings.map((g) => <option key={g}>{g}</option>)}</select></label>
        <button
          type="button" class="tool" aria-pressed={state.idle.value} title="Collapse idle: draw time in which nothing ran as a short gap (X)"
          onClick={() => {
            state.idle.value = !state.idle.value;
            state.parts.timeline?.setCollapseIdle(state.idle.value);
          }}
        ><span class="word">collapse </span>idle</button>
        <button type="button" class="tool" title="Fold or unfold all groups (C)" onClick={() => tl?.foldAll(!tl.anyFolded())}>fold</button>
        <span class="gap" />
        {state.paused.value && <button type="button" class="pill" onClick={() => (state.paused.value = false)}>view held · {format.count(state.unseen.value)} new</button>}
        {!state.paused.value && m.head.state === "running" && !state.follow.value && (
          <button type="button" class="pill" onClick={() => state.parts.timeline?.setFollow(true)}>{state.unseen.value > 0 ? `${format.count(state.unseen.value)} new · ` : ""}follow</button>
        )}
        <button type="button" class="tool icon" title="Zoom out (S)" aria-label="zoom out" onClick={() => state.parts.timeline?.zoom(1 / 0.6)}>−</button>
        <button type="button" class="tool icon" title="Zoom in (W)" aria-label="zoom in" onClick={() => state.parts.timeline?.zoom(0.6)}>+</button>
        <button type="button" class="tool" title="The whole run (0)" onClick={() => state.parts.timeline?.fitAll()}>fit</button>
        <button type="button" class="tool" aria-pressed={state.side.value} title="The inspector (I)" onClick={() => (state.side.value = !state.side.value)}>inspector</button>
      </div>
      <div class="timeline" ref={host} tabIndex={0} aria-label="timeline; the table of all tasks holds the same" aria-keyshortcuts="W S A D" />
      {m.n === 0 && <p class="hero-empty">{emptyText(m)}</p>}
      <p class="offscreen" aria-live="polite">{state.notice.value || summary}</p>
    </div>
  );
}

function emptyText(m: Model): string {
  if (m.head.state === "running") return m.head.decision === null && m.head.engines.length === 0 ? "Choosing an engine…" : "Waiting for the first task…";
  return m.head.inputs.read === 0 ? "There was no input, so that nothing ran." : "No task has run.";
}

function describe(m: Model): string {
  const c = m.head.counts;
  const failed = c.failed ?? 0;
  return `Run ${verdictOf(m)} after ${format.duration(m.now)}: ${format.count((c.ok ?? 0) + (c.retried ?? 0))} ok, ${format.count(failed)} failed` +
    `${c.running ? `, ${format.count(c.running)} running` : ""}, on ${format.count(m.head.lanes.length)} lanes.`;
}

/** The border between the timeline and the tables, which can be moved. */
function Splitter(): JSX.Element {
  const set = (h: number): void => {
    state.panelHeight.value = Math.round(Math.max(90, Math.min(window.innerHeight * 0.6, h)));
  };
  useEffect(() => {
    document.documentElement.style.setProperty("--panel-height", state.panelHeight.value + "px");
  }, [state.panelHeight.value]);
  return (
    <div
      class="splitter" role="separator" aria-orientation="horizontal" aria-label="height of the tables" tabIndex={0}
      aria-valuenow={state.panelHeight.value} aria-valuemin={90} aria-valuemax={Math.round(window.innerHeight * 0.6)}
      onKeyDown={(e) => {
        if (e.key !== "ArrowUp" && e.key !== "ArrowDown") return;
        set(state.panelHeight.value + (e.key === "ArrowUp" ? 24 : -24));
        e.preventDefault();
      }}
      onPointerDown={(e) => {
        const el = e.currentTarget;
        el.setPointerCapture(e.pointerId);
        const from = e.clientY + state.panelHeight.value;
        const move = (p: PointerEvent): void => set(from - p.clientY);
        el.addEventListener("pointermove", move);
        el.addEventListener("pointerup", () => el.removeEventListener("pointermove", move), { once: true });
      }}
    />
  );
}

function Dialog({ title, close, children }: { title: string; close: () => void; children: JSX.Element | JSX.Element[] }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const el = box.current!;
    el.showModal();
    return () => el.close();
  }, []);
  return (
    <dialog ref={box} aria-label={title} onClose={close} onClick={(e) => e.target === box.current && close()}>
      <div class="dialog">
        <div class="side-head"><h2>{title}</h2><button type="button" class="close" aria-label="close" onClick={close}>×</button></div>
        {children}
      </div>
    </dialog>
  );
}

function Help(): JSX.Element | null {
  if (!state.help.value) return null;
  return (
    <Dialog title="Keys and the mouse" close={() => (state.help.value = false)}>
      <div class="keys">
        <dl>{keyHelp.map(([k, what]) => <div key={k}><dt>{k.split(" ").map((x) => (x === "…" ? " … " : <kbd key={x}>{x}</kbd>))}</dt><dd>{what}</dd></div>)}</dl>
        <dl>
          {([
            ["wheel", "scroll the lanes; over the counters: zoom"], ["Ctrl wheel", "zoom where the pointer is"], ["drag", "move"],
            ["Shift drag", "sum up a stretch of time; on the axis without Shift"], ["click", "inspect a task"],
            ["double click", "zoom to a task; over the counters: all"], ["top strip", "move the window over the whole run"], ["lane's name", "keep the lane in sight, or let it go"],
          ] as const).map(([k, what]) => <div key={k}><dt>{k}</dt><dd>{what}</dd></div>)}
          <div class="signs">
            <p><i class="sign sign-fail">✕</i> failed</p><p><i class="sign sign-crash" /> crashed: a notch</p>
            <p><i class="sign sign-timeout" /> timed out: a cap</p><p><i class="sign sign-retry">↻</i> tried again</p>
            <p><i class="sign sign-wait" /> waited for a lane</p><p><i class="sign sign-down" /> lane without a worker</p>
          </div>
        </dl>
      </div>
    </Dialog>
  );
}

function Decision(): JSX.Element | null {
  if (!state.decision.value) return null;
  const m = state.model.value!;
  return (
    <Dialog title="Why this engine" close={() => (state.decision.value = false)}>
      <div>
        {m.head.decision ? <pre class="card">{m.head.decision}</pre> : null}
        {m.head.engines.map((e) => <p key={e.e} class="prose"><b>{e.name}{e.limit ? ` ×${e.limit}` : ""}</b> ({e.kind}){e.why ? `: ${e.why}` : ""}</p>)}
      </div>
    </Dialog>
  );
}

function Question(): JSX.Element | null {
  const q = state.question.value;
  if (!q) return null;
  const close = (): void => {
    state.question.value = null;
  };
  return (
    <Dialog title="Are you sure?" close={close}>
      <p class="prose">{q.text}</p>
      <p class="choices">
        <button type="button" class="tool" onClick={close}>Leave it</button>
        <button type="button" class="tool danger" onClick={() => { q.act(); close(); }}>{q.yes}</button>
      </p>
    </Dialog>
  );
}
