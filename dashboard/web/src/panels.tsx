// The tabs under the timeline.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import * as format from "./format";
import { Copy, StateBadge } from "./inspector";
import { useLater } from "./later";
import { isFailure, isRetried, State, type Model } from "./model";
import * as state from "./state";
import { histogram, slowest, sorted, type SortKey } from "./stats";
import { Table, type TableColumn } from "./table";

const names: Record<state.Tab, string> = {
  failures: "Failures", slowest: "Slowest", all: "All", histogram: "Histogram", advice: "Advice", log: "Log",
};

export function Panels(): JSX.Element {
  const m = state.model.value!;
  void state.slow.value;
  const tab = state.tab.value;
  const filter = state.filter.value;
  const sizes: Record<state.Tab, number | null> = {
    failures: m.head.errors.filter(state.isOfFailures).length, slowest: null, all: m.n, histogram: null,
    advice: m.head.advice.length, log: m.head.marks.length,
  };
  const onKeyDown = (e: KeyboardEvent): void => {
    const by = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    const k = (state.tabs.indexOf(tab) + by + state.tabs.length) % state.tabs.length;
    state.tab.value = state.tabs[k]!;
    document.getElementById("tab-" + state.tabs[k])?.focus();
    e.preventDefault();
  };
  return (
    <section class="bottom" aria-label="tables">
      <div class="tabs">
        <div role="tablist" aria-label="what to show" onKeyDown={onKeyDown}>
          {state.tabs.map((t) => (
            <button
              key={t} id={"tab-" + t} type="button" role="tab" aria-selected={t === tab} aria-controls="panel"
              tabIndex={t === tab ? 0 : -1} class={t === "failures" && (m.head.counts.failed ?? 0) > 0 ? "alarm" : ""}
              onClick={() => (state.tab.value = t)}
            >
              {names[t]}{sizes[t] ? <span class="n">{format.count(sizes[t]!)}</span> : null}
            </button>
          ))}
        </div>
        <label class="filter">
          <span class="offscreen">filter</span>
          <input
            id="filter" type="search" placeholder="filter: text, state:failed, dur>100ms …" spellcheck={false} autocomplete="off"
            title="Words must all match. Text is looked for in inputs, tasks, lanes and errors; state: task: lane: input: error: say where; dur wait cpu rss attempt start compare with < > =; a - before a word means not."
            value={state.filterText.value} onInput={(e) => (state.filterText.value = e.currentTarget.value)}
            aria-invalid={!!filter?.error} aria-describedby="filter-error"
            onKeyDown={(e) => e.key === "Enter" && (state.tab.value = "all")}
          />
        </label>
      </div>
      <div id="filter-error" class="filter-error" role="alert" hidden={!filter?.error}>{filter?.error}</div>
      <div id="panel" class={`panel panel-${tab}`} role="tabpanel" aria-labelledby={"tab-" + tab} tabIndex={-1}>
        {tab === "failures" ? <Failures m={m} />
          : tab === "slowest" ? <Slowest m={m} />
          : tab === "all" ? <All m={m} />
          : tab === "histogram" ? <Histogram m={m} />
          : tab === "advice" ? <AdviceList m={m} />
          : <Log m={m} />}
      </div>
    </section>
  );
}

function Empty({ children }: { children: string }): JSX.Element {
  return <p class="empty">{children}</p>;
}

function Failures({ m }: { m: Model }): JSX.Element {
  if (m.head.errors.length === 0) {
    return <Empty>{m.head.state === "running" ? "Nothing has failed so far." : "Nothing has failed."}</Empty>;
  }
  // How many of each were failures in the end, and how many another attempt made good.
  const final = new Map<number, number>();
  for (const i of m.failed()) final.set(m.error[i]!, (final.get(m.error[i]!) ?? 0) + 1);
  const lostOf = new Map(m.head.errors.map((e, k) => [e, final.get(k) ?? 0]));
  const errors = [...m.head.errors].sort((a, b) => Number(state.isOfFailures(b)) - Number(state.isOfFailures(a)) || lostOf.get(b)! - lostOf.get(a)! || b.count - a.count);
  const most = Math.max(...errors.map((e) => e.count));
  return (
    <ol class="failures">
      {errors.map((e) => {
        const lost = lostOf.get(e)!;
        const other = !state.isOfFailures(e);
        return (
          <li key={e.n} class={other ? "other" : lost === 0 ? "soft" : ""}>
            <button type="button" class="line" title="Show an example" onClick={() => e.sample >= 0 && e.sample < m.n && state.select(e.sample)}>
              <span class="amount"><b>{format.count(e.count)}</b><i class="meter" aria-hidden="true"><i style={{ width: `${Math.max(2, (100 * e.count) / most)}%` }} /></i></span>
              <span class="kind">{other ? "–" : lost > 0 ? "✕" : "↻"} {e.kind}</span>
              <span class="message">{firstLine(e.text)}</span>
              <span class="when">{format.at(e.first, 1e4)}{e.last > e.first ? ` – ${format.at(e.last, 1e4)}` : ""}</span>
            </button>
            <button type="button" class="copy" title="Show all of these in the table" onClick={() => state.search(`error:${e.print}`)}>
              {other || lost === e.count ? "all" : lost === 0 ? "all made good" : `${format.count(lost)} final`}
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function firstLine(text: string): string {
  const k = text.indexOf("\n");
  return k < 0 ? text : text.slice(0, k) + " …";
}

function columnsFor(m: Model): TableColumn[] {
  const number = "num";
  const some = (a: ArrayLike<number>): boolean => {
    for (let i = 0; i < Math.min(m.n, 2000); i++) if (a[i] === a[i]) return true;
    return false;
  };
  const list: TableColumn[] = [
    { key: "input", name: "input", className: "wide", sortable: true, cell: (i) => m.label(i) },
    { key: "state", name: "state", className: "state", sortable: true, cell: (i) => <StateBadge m={m} span={i} /> },
    { key: "duration", name: "took", className: number, sortable: true, cell: (i) => format.duration(m.duration(i)) },
    { key: "wait", name: "waited", className: number, sortable: true, cell: (i) => format.duration(m.wait(i)) },
  ];
  if (some(m.cpu)) list.push({ key: "cpu", name: "CPU", className: number, sortable: true, cell: (i) => format.duration(m.cpu[i]!) });
  if (some(m.rss)) list.push({ key: "rss", name: "memory", className: number, sortable: true, cell: (i) => format.bytes(m.rss[i]!) });
  list.push(
    { key: "start", name: "start", className: number, sortable: true, cell: (i) => format.at(m.start[i]!, 1000) },
    { key: "attempt", name: "try", title: "attempt", className: "num slim", sortable: true, cell: (i) => String(m.attempt[i]) },
    { key: "lane", name: "lane", className: "lane", sortable: true, cell: (i) => (m.ran(i) ? m.laneName(m.lane[i]!) : "–") },
  );
  if (m.head.tasks.length > 1) list.push({ key: "task", name: "task", className: "lane", sortable: true, cell: (i) => m.taskName(i) });
  return list;
}

const rowClass = (m: Model) => (i: number): string => {
  const s = m.state[i]!;
  return isFailure(s) ? "failed" : isRetried(s) ? "retry" : (s & 15) === State.running ? "runs" : "";
};

function All({ m }: { m: Model }): JSX.Element {
  const [sort, setSort] = useState<{ key: string; down: boolean }>({ key: "start", down: false });
  const filter = state.filter.value;
  const stamp = state.slow.value;
  const rows = useMemo(() => sorted(m, sort.key as SortKey, sort.down, filter?.keep), [m, stamp, filter, sort]);
  const columns = useMemo(() => columnsFor(m), [m, stamp]);
  const cut = m.head.truncated;
  return (
    <>
      <Table
        label="tasks" columns={columns} rows={rows} selected={state.selected.value} stamp={stamp} sort={sort} rowClass={rowClass(m)}
        onSort={(key) => setSort((old) => ({ key, down: old.key === key ? !old.down : key !== "start" && key !== "input" && key !== "lane" }))}
        onSelect={(i) => state.select(i)}
      />
      <p class="foot">
        {filter ? `${format.count(rows.length)} of ${format.count(m.n)} attempts match` : `${format.count(m.n)} attempts`}
        {cut ? ` · the page holds ${format.count(cut.shown)} of ${format.count(cut.of)}` : ""}
        {filter?.asks.length ? " · the texts of inputs are not in this page and are not searched; #12 finds an input by its number" : ""}
      </p>
    </>
  );
}

function Slowest({ m }: { m: Model }): JSX.Element {
  const filter = state.filter.value;
  const stamp = state.slow.value;
  const rows = useMemo(
    () => slowest(m, 1000, (i) => (m.state[i]! & 15) !== State.refused && (!filter || filter.keep(i))),
    [m, stamp, filter],
  );
  const median = useLater(() => histogram(m, 40).p50, [m, stamp]) ?? NaN;
  const columns = useMemo<TableColumn[]>(() => {
    const longest = rows.length ? m.duration(rows[0]!) : 1;
    const all = columnsFor(m).map((c): TableColumn => ({ ...c, sortable: false }));
    const bar: TableColumn = {
      key: "bar", name: "× median", className: "bar",
      cell: (i) => (
        <><i class="meter" aria-hidden="true"><i style={{ width: `${(100 * m.duration(i)) / longest}%` }} /></i><span>{median > 0 ? `${format.short(m.duration(i) / median)}×` : ""}</span></>
      ),
    };
    all.splice(3, 0, bar);
    return all;
  }, [m, rows, median]);
  if (rows.length === 0) return <Empty>{filter ? "No task matches the filter." : `No task has run${m.head.state === "running" ? " yet" : ""}.`}</Empty>;
  return <Table label="slowest tasks" columns={columns} rows={rows} selected={state.selected.value} stamp={stamp} rowClass={rowClass(m)} onSelect={(i) => state.select(i)} />;
}

function Histogram({ m }: { m: Model }): JSX.Element {
  const filter = state.filter.value;
  const h = useLater(() => histogram(m, 60, filter?.keep), [m, state.slow.value, filter]);
  if (h === null) return <Empty>Counting…</Empty>;
  if (h.n === 0) return <Empty>{filter ? "No finished task matches the filter." : `No task has finished${m.head.state === "running" ? " yet" : ""}.`}</Empty>;
  const w = 1000;
  const tall = 132;
  const bw = w / h.bins.length;
  const most = Math.max(...h.bins.map((b) => b.ok + b.failed + b.other));
  // The square root keeps a single one among thousands in sight.
  const y = (n: number): number => (n > 0 ? Math.max(2, Math.sqrt(n / most) * tall) : 0);
  const lo = Math.log10(h.bins[0]!.from);
  const hi = Math.log10(h.bins[h.bins.length - 1]!.to);
  const x = (us: number): number => ((Math.log10(Math.max(1, us)) - lo) / (hi - lo)) * w;
  const cpuMost = Math.max(...h.bins.map((b) => b.cpu));
  const cpu = cpuMost > 0
    ? h.bins.map((b, k) => `${k === 0 ? "M" : "L"}${(k + 0.5) * bw} ${tall - y(Math.min(most, b.cpu))}`).join(" ") : "";
  const labels: number[] = [];
  for (let p = Math.ceil(lo - 1e-9); p <= hi + 1e-9; p++) labels.push(10 ** p);
  if (labels.length < 3) {
    for (const digit of [2, 5]) {
      for (let p = Math.floor(lo); p <= hi; p++) {
        const v = digit * 10 ** p;
        if (Math.log10(v) >= lo && Math.log10(v) <= hi) labels.push(v);
      }
    }
  }
  const percent = (us: number): string => `${(x(us) / w) * 100}%`;
  return (
    <div class="histogram">
      <div class="plot">
        <svg viewBox={`0 0 ${w} ${tall}`} preserveAspectRatio="none" role="img" aria-label={`Durations of ${format.count(h.n)} attempts: median ${format.duration(h.p50)}, 95 % within ${format.duration(h.p95)}, 99 % within ${format.duration(h.p99)}`}>
          {h.bins.map((b, k) => {
            const all = y(b.ok + b.failed + b.other);
            const bad = b.failed > 0 ? Math.max(3, (all * b.failed) / (b.ok + b.failed + b.other)) : 0;
            return (
              <g key={k} class="bin" onClick={() => state.search(`dur>=${b.from.toPrecision(6)}us dur<${b.to.toPrecision(6)}us`)}>
                <rect class="hit" x={k * bw} y={0} width={bw} height={tall} />
                <rect class="h-ok" x={k * bw + 0.8} y={tall - all} width={bw - 1.6} height={Math.max(0, all - bad)} />
                <rect class="h-bad" x={k * bw + 0.8} y={tall - bad} width={bw - 1.6} height={bad} />
                <title>{`${format.duration(b.from)} – ${format.duration(b.to)}: ${format.count(b.ok + b.failed + b.other)} attempts${b.failed ? `, ${format.count(b.failed)} failed` : ""}`}</title>
              </g>
            );
          })}
          {cpu && <path class="h-cpu" d={cpu} />}
        </svg>
        {([["median", h.p50], ["95 %", h.p95], ["99 %", h.p99]] as const).map(([name, v], k) => (
          <div key={name} class={`quantile${x(v) > 0.85 * w ? " left" : ""}`} style={{ left: percent(v), paddingTop: `${k * 15}px` }}><span>{name} {format.duration(v)}</span></div>
        ))}
      </div>
      <div class="scale" aria-hidden="true">
        {labels.map((v) => x(v) < 0.97 * w && <span key={v} style={{ left: percent(v) }}>{format.duration(v)}</span>)}
      </div>
      <p class="foot">
        {format.count(h.n)} finished attempts by duration{filter ? ", filtered" : ""} · <i class="chip h-ok-chip" />ok <i class="chip h-bad-chip" />failed {cpu && <><i class="chip h-cpu-chip" />CPU time</>} · heights as square roots · click a bar to list its tasks
      </p>
    </div>
  );
}

function AdviceList({ m }: { m: Model }): JSX.Element {
  if (m.head.advice.length === 0) {
    return <Empty>{m.head.state === "running" ? "Nothing to advise so far." : "Nothing to advise: no lane sat idle for long, no task held the end, no engine was the wrong one."}</Empty>;
  }
  return (
    <ul class="advice">
      {m.head.advice.map((a) => (
        <li key={a.code + a.text}>
          <b>{a.code}</b><span>{a.text}</span>
          {a.try && <span class="try">try <code>{a.try}</code> <Copy text={a.try} /></span>}
        </li>
      ))}
    </ul>
  );
}

function Log({ m }: { m: Model }): JSX.Element {
  if (m.head.marks.length === 0) return <Empty>Nothing out of the ordinary has happened.</Empty>;
  return (
    <ul class="log">
      {m.head.marks.map((k, n) => (
        <li key={n}>
          <button type="button" class="line" title="Show this time" onClick={() => showTime(m, k.t)}>
            <span class="when">{format.at(k.t, 1e4)}</span>
            <span class="when">{m.head.run.wall ? format.clock(m.head.run.wall, k.t) : ""}</span>
            <span class="kind">{k.kind}</span><span class="message">{k.text}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function showTime(m: Model, t: number): void {
  const tl = state.parts.timeline;
  if (!tl) return;
  const seen = tl.visible();
  const length = Math.min(seen.to - seen.from, Math.max(1, m.now) * 0.1);
  tl.setFollow(false);
  tl.fitTime(t - length / 2, t + length / 2);
}
