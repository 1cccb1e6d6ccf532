// The side of the page: one task, a range of time, or else the run itself.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import * as format from "./format";
import { useLater } from "./later";
import { isFailure, isRetried, State, type Model } from "./model";
import type { Details } from "./source";
import * as state from "./state";
import { aggregate } from "./stats";

export function Inspector(): JSX.Element {
  const m = state.model.value!;
  void state.slow.value;
  const span = state.selected.value;
  const range = state.range.value;
  return (
    <aside class="side" aria-label="inspector">
      {span >= 0 && span < m.n ? <Task m={m} span={span} key={span} /> : range ? <RangeCard m={m} from={range.from} to={range.to} /> : <RunCard m={m} />}
    </aside>
  );
}

function Field({ name, children, title }: { name: string; children: ComponentChildren; title?: string }): JSX.Element {
  return <div class="field" title={title}><dt>{name}</dt><dd>{children}</dd></div>;
}

export function Copy({ text, name = "copy" }: { text: string; name?: string }): JSX.Element {
  return <button type="button" class="copy" onClick={() => void state.copy(text)}>{name}</button>;
}

function Text({ title, text, command }: { title: string; text: string; command?: boolean }): JSX.Element {
  return (
    <section class="text">
      <h3>{title}<Copy text={text} /></h3>
      <pre class={command ? "command" : ""} tabIndex={0}>{text}</pre>
    </section>
  );
}

/** What an attempt wrote, as much of it as the record has. */
function Output({ name, text, bytes, file }: { name: string; text: string; bytes?: number | undefined; file: string }): JSX.Element {
  const kept = new TextEncoder().encode(text).length;
  const cut = (bytes ?? 0) > kept;
  return (
    <section class="text">
      <h3>
        {name}
        {cut && <small title="braid run --results DIR keeps all of it">the last {format.bytes(kept)} of {format.bytes(bytes!)}</small>}
        <Copy text={text} />
        <button type="button" class="copy" title={`Save it as a file${cut ? ", as far as it was recorded" : ""}`} onClick={() => state.save(file, text)}>save</button>
      </h3>
      <pre tabIndex={0} aria-label={name}>{text}</pre>
    </section>
  );
}

export function StateBadge({ m, span }: { m: Model; span: number }): JSX.Element {
  const s = m.state[span]!;
  const low = s & 15;
  const kind = isFailure(s) ? "failed" : isRetried(s) ? "retry" : low === State.running ? "running" : low === State.ok ? "ok" : "quiet";
  const mark = isFailure(s) ? "✕" : isRetried(s) || m.attempt[span]! > 1 ? "↻" : low === State.running ? "▶" : low === State.ok ? "✓" : "–";
  return <span class={`badge badge-${kind}`}><i aria-hidden="true">{mark}</i>{m.stateName(span)}</span>;
}

/** Where the time of one attempt went. */
function Breakdown({ m, span }: { m: Model; span: number }): JSX.Element {
  const wait = m.wait(span) || 0;
  const parked = Math.min(m.parked[span]! || 0, m.duration(span));
  const ran = m.duration(span) - parked;
  const all = Math.max(1, wait + parked + ran);
  const cpu = m.cpu[span]!;
  return (
    <>
      <div class="split" role="img" aria-label={`waited ${format.duration(wait)}, ran ${format.duration(ran)}, parked ${format.duration(parked)}`}>
        {wait > 0 && <span class="split-wait" style={{ flexGrow: wait / all }} />}
        <span class="split-run" style={{ flexGrow: ran / all }} />
        {parked > 0 && <span class="split-park" style={{ flexGrow: parked / all }} />}
      </div>
      <dl class="fields">
        <Field name="waited" title="From its submission until it began"><i class="chip split-wait" />{m.wait(span) === m.wait(span) ? format.duration(wait) : "–"}</Field>
        <Field name="ran" title="From its begin to its end, without what it was parked"><i class="chip split-run" />{format.duration(ran)}</Field>
        {parked > 0 && <Field name="parked" title="In which the body waited for something"><i class="chip split-park" />{format.duration(parked)}</Field>}
        {cpu === cpu && <Field name="CPU" title="Processor time, and its share of the time that it ran">{format.duration(cpu)} <small>{format.percent(cpu / Math.max(1, m.duration(span)))} of wall</small></Field>}
        {m.rss[span] === m.rss[span] && <Field name="memory" title="The most that its process held">{format.bytes(m.rss[span]!)}</Field>}
      </dl>
    </>
  );
}

function Task({ m, span }: { m: Model; span: number }): JSX.Element {
  const [details, setDetails] = useState<Details | null>(null);
  const [trouble, setTrouble] = useState("");
  const runs = (m.state[span]! & 15) === State.running;
  useEffect(() => {
    let gone = false;
    state.parts.source!.details(span, runs).then(
      (d) => gone || setDetails(d),
      (e: Error) => gone || setTrouble(`Its details cannot be fetched: ${e.message}`),
    );
    return () => {
      gone = true;
    };
  }, [span, runs]);
  const error = m.error[span]! >= 0 ? m.head.errors[m.error[span]!] : undefined;
  const errorText = details?.error?.text ?? error?.text;
  const stack = details?.error?.stack ?? error?.stack;
  const input = details?.input ?? (m.head.texts === "inline" ? m.label(span) : undefined);
  const attempts = m.attemptsOf(span);
  return (
    <>
      <div class="side-head">
        <StateBadge m={m} span={span} />
        <button type="button" class="copy" title="Show it as large as it fits (F)" onClick={() => state.parts.timeline?.fitTime(m.start[span]!, m.endOf(span))}>zoom to</button>
        <button
          type="button" class="copy" aria-pressed={state.pins.value.includes(m.laneKey(m.lane[span]!))} title="Keep its lane in sight, above the others (T)"
          onClick={() => state.pin(m.lane[span]!)}
        >pin lane</button>
        <button type="button" class="close" aria-label="close" onClick={() => state.select(-1)}>×</button>
      </div>
      <h2 class="subject">{m.label(span)}</h2>
      <p class="where">{m.taskName(span)} · {m.laneName(m.lane[span]!)} · {format.at(m.start[span]!, 1000)}{m.head.run.wall ? ` · ${format.clock(m.head.run.wall, m.start[span]!)}` : ""}</p>
      <p class="took"><b>{format.duration(m.duration(span))}</b>{!runs ? "" : m.head.state === "running" ? " so far" : " when the run ended"}</p>
      <Breakdown m={m} span={span} />
      {(details?.exit !== undefined || details?.signal) && (
        <dl class="fields">
          {details.exit !== undefined && <Field name="exit">{details.exit}</Field>}
          {details.signal && <Field name="signal">{details.signal}</Field>}
        </dl>
      )}
      {attempts.length > 1 && (
        <section>
          <h3>Attempts</h3>
          <ol class="attempts">
            {attempts.map((i) => (
              <li key={i}>
                <button type="button" class={i === span ? "on" : ""} onClick={() => state.select(i)}>
                  <span>{m.attempt[i]}</span><StateBadge m={m} span={i} /><span>{format.at(m.start[i]!, 1000)}</span><span>{format.duration(m.duration(i))}</span>
                </button>
              </li>
            ))}
          </ol>
        </section>
      )}
      {errorText && (
        <section class="text failure">
          <h3>
            {error?.kind ?? "error"}
            {error && error.count > 1 && <button type="button" class="copy" title="All attempts that failed so" onClick={() => state.search(`error:${error.print}`)}>all {format.count(error.count)}</button>}
            <Copy text={stack ? `${errorText}\n\n${stack}` : errorText} />
          </h3>
          <pre tabIndex={0}>{errorText}</pre>
          {stack && <details><summary>stack</summary><pre tabIndex={0}>{stack}</pre></details>}
        </section>
      )}
      {(["stderr", "stdout"] as const).map((name) => details?.[name] && (
        <Output key={name} name={name} text={details[name]} bytes={details[`${name}_bytes`]} file={`${m.input[span]! + 1}.${m.attempt[span]}.${name}.txt`} />
      ))}
      {input !== undefined && <Text title={details?.cut ? `input ${m.input[span]! + 1}, its beginning` : `input ${m.input[span]! + 1}`} text={input} />}
      {trouble && <p class="trouble">{trouble}</p>}
    </>
  );
}

function RangeCard({ m, from, to }: { m: Model; from: number; to: number }): JSX.Element {
  const filter = state.filter.value;
  const a = useMemo(() => aggregate(m, from, to, filter?.keep), [m, from, to, filter, state.slow.value]);
  const lanes = Math.max(1, m.head.lanes.length);
  const length = to - from;
  return (
    <>
      <div class="side-head">
        <span class="badge badge-quiet">range{filter ? ", filtered" : ""}</span>
        <button type="button" class="copy" onClick={() => state.parts.timeline?.fitTime(from, to)}>zoom to</button>
        <button type="button" class="close" aria-label="close" onClick={() => state.parts.timeline?.selectRange(null)}>×</button>
      </div>
      <h2 class="subject">{format.duration(length)}</h2>
      <p class="where">{format.at(from, length / 100)} – {format.at(to, length / 100)}</p>
      <dl class="fields">
        <Field name="attempts">{format.count(a.count)}</Field>
        <Field name="ok">{format.count(a.ok)}</Field>
        <Field name="failed"><span class={a.failed > 0 ? "bad" : ""}>{format.count(a.failed)}</span></Field>
        {a.retried > 0 && <Field name="tried again">{format.count(a.retried)}</Field>}
        {a.running > 0 && <Field name="running">{format.count(a.running)}</Field>}
      </dl>
      <h3>Duration</h3>
      <dl class="fields">
        <Field name="median">{format.duration(a.p50)}</Field>
        <Field name="95 %">{format.duration(a.p95)}</Field>
        <Field name="99 %">{format.duration(a.p99)}</Field>
        <Field name="longest">{format.duration(a.max)}</Field>
      </dl>
      <h3>Use</h3>
      <dl class="fields">
        <Field name="lanes busy" title="The share of all lanes over the range">{format.percent(a.busy / (lanes * Math.max(1, length)))}</Field>
        <Field name="at once" title="How many ran at once, on average">{format.short(a.busy / Math.max(1, length))}</Field>
        <Field name="throughput" title="Calls that ended in the range, a second">{format.rate(a.finished, length)}</Field>
        {a.wait === a.wait && <Field name="median wait">{format.duration(a.wait)}</Field>}
        {a.cpu === a.cpu && <Field name="CPU">{format.duration(a.cpu)}</Field>}
      </dl>
    </>
  );
}

const unknown = { p50: NaN, p95: NaN, max: NaN, wait: NaN, busy: NaN };

function RunCard({ m }: { m: Model }): JSX.Element {
  const { run, engines, end } = m.head;
  const seen = m.head.truncated;
  const a = useLater(() => aggregate(m, -Infinity, Infinity), [m, state.slow.value]) ?? unknown;
  const lanes = Math.max(1, m.head.lanes.length);
  return (
    <>
      <div class="side-head"><span class="badge badge-quiet">run</span></div>
      <h2 class="subject">{run.name || run.task || run.id || "run"}</h2>
      <p class="where">{run.wall ? format.date(run.wall) : ""}{run.host ? ` on ${run.host}` : ""}</p>
      <dl class="fields">
        <Field name="attempts" title="Spans on the timeline">{format.count(m.n)}{seen ? <small> of {format.count(seen.of)}</small> : null}</Field>
        <Field name="median">{format.duration(a.p50)}</Field>
        <Field name="95 %">{format.duration(a.p95)}</Field>
        <Field name="longest">{format.duration(a.max)}</Field>
        {a.wait === a.wait && <Field name="median wait">{format.duration(a.wait)}</Field>}
        <Field name="lanes busy" title="The share of all lanes over the whole run">{format.percent(a.busy / (lanes * Math.max(1, m.now)))}</Field>
        {end?.exit !== undefined && <Field name="exit code">{end.exit}</Field>}
      </dl>
      {engines.some((e) => e.why) && (
        <>
          <h3>Engine</h3>
          {engines.map((e) => e.why && <p key={e.e} class="prose">{e.name}{e.limit ? ` ×${e.limit}` : ""}: {e.why}</p>)}
        </>
      )}
      {run.args && run.args.length > 0 && <Text title="command" text={format.shell(run.args)} command />}
      <h3>Where</h3>
      <dl class="fields">
        {run.id && <Field name="run"><span class="id">{run.id}</span></Field>}
        {run.parent && <Field name="resumes"><span class="id">{run.parent}</span></Field>}
        {run.dir && <Field name="folder"><span class="id">{run.dir}</span></Field>}
        {run.pid && <Field name="process">{run.pid}</Field>}
        {run.cpus && <Field name="processors">{run.cpus}</Field>}
        {run.os && <Field name="system">{run.os}/{run.arch}</Field>}
        {run.braid && <Field name="braid">{run.braid}{run.go ? `, ${run.go}` : ""}</Field>}
      </dl>
      <p class="prose dim">Click a bar to inspect a task. Shift and drag sums up a stretch of time. Press <kbd>?</kbd> for the keys.</p>
    </>
  );
}
