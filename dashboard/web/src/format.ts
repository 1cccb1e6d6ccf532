// Numbers as a person reads them. Times are microseconds throughout.

const grouped = new Intl.NumberFormat("en-US");

/** A count: 12,345. */
export function count(n: number): string {
  return Number.isFinite(n) ? grouped.format(Math.round(n)) : "–";
}

/** Three significant digits without an exponent. */
export function short(x: number): string {
  const a = Math.abs(x);
  if (a >= 100) return x.toFixed(0);
  if (a >= 10) return x.toFixed(1).replace(/\.0$/, "");
  return x.toFixed(2).replace(/\.?0+$/, "");
}

function two(n: number): string {
  return n < 10 ? "0" + n : "" + n;
}

/** How long: 12 µs, 3.4 ms, 1.25 s, 2 m 03 s, 1 h 02 m. */
export function duration(us: number): string {
  if (!Number.isFinite(us)) return "–";
  const sign = us < 0 ? "−" : "";
  us = Math.abs(us);
  if (us < 999.5) return `${sign}${us < 10 ? short(us) : us.toFixed(0)} µs`;
  if (us < 999_500) return `${sign}${short(us / 1e3)} ms`;
  if (us < 59_950_000) return `${sign}${short(us / 1e6)} s`;
  const s = Math.round(us / 1e6);
  if (s < 3600) return `${sign}${Math.floor(s / 60)} m ${two(s % 60)} s`;
  const m = Math.round(s / 60);
  if (m < 48 * 60) return `${sign}${Math.floor(m / 60)} h ${two(m % 60)} m`;
  return `${sign}${Math.floor(m / 1440)} d ${Math.floor((m % 1440) / 60)} h`;
}

/** A point in time since the start of the run, told to the precision that step needs. */
export function at(us: number, step: number): string {
  if (!Number.isFinite(us)) return "–";
  const sign = us < 0 ? "−" : "";
  us = Math.abs(us);
  const digits = step >= 1e6 ? 0 : Math.min(6, Math.ceil(6 - Math.log10(Math.max(step, 1)) - 1e-9));
  if (us + step < 1000 && step < 1000) return `${sign}${us.toFixed(step < 1 ? 1 : 0)} µs`;
  if (us < 60e6) {
    if (step < 1e6 && us < 1e6) return `${sign}${(us / 1e3).toFixed(Math.max(0, digits - 3))} ms`;
    return `${sign}${(us / 1e6).toFixed(digits)} s`;
  }
  const whole = Math.floor(us / 1e6 + (digits === 0 ? 0.5 : 0));
  const rest = digits > 0 ? (us / 1e6 - whole).toFixed(digits).slice(1) : "";
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = two(whole % 60) + rest;
  return h > 0 ? `${sign}${h}:${two(m)}:${s}` : `${sign}${m}:${s}`;
}

/** Bytes in binary units: 12.3 MiB. */
export function bytes(n: number): string {
  if (!Number.isFinite(n)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let u = 0;
  while (n >= 1023.5 && u < units.length - 1) {
    n /= 1024;
    u++;
  }
  return `${u === 0 ? n.toFixed(0) : short(n)} ${units[u]}`;
}

/** A rate per second from a count and a time. */
export function rate(n: number, us: number): string {
  if (!(us > 0)) return "–";
  const r = n / (us / 1e6);
  return r >= 1000 ? `${count(r)}/s` : `${short(r)}/s`;
}

/** A share: 12 %. */
export function percent(x: number): string {
  if (!Number.isFinite(x)) return "–";
  const p = x * 100;
  return `${p > 0 && p < 10 ? short(p) : p.toFixed(0)} %`;
}

/** The time of day at which us of a run that began at wall (RFC 3339) was. */
export function clock(wall: string, us: number): string {
  const began = Date.parse(wall);
  if (Number.isNaN(began)) return "–";
  const d = new Date(began + us / 1000);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, "0")}`;
}

/** The day and time at which a run began, in the reader's time zone. */
export function date(wall: string): string {
  const ms = Date.parse(wall);
  if (Number.isNaN(ms)) return wall;
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

const units: Record<string, number> = {
  us: 1, "µs": 1, ms: 1e3, s: 1e6, m: 60e6, min: 60e6, h: 3600e6,
};

/** Reads a duration such as 100ms, 1.5s or 2m; a bare number is seconds. NaN if it is none. */
export function parseDuration(text: string): number {
  const m = /^(\d+(?:\.\d+)?|\.\d+)\s*([a-zµ]*)$/i.exec(text.trim());
  if (!m) return NaN;
  const unit = m[2] === "" ? 1e6 : units[m[2]!.toLowerCase()];
  return unit === undefined ? NaN : Number(m[1]) * unit;
}

/** An argument list as a line for a POSIX shell. */
export function shell(args: readonly string[]): string {
  return args
    .map((a) => (/^[\w@%+=:,./-]+$/.test(a) ? a : `'${a.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}
