// Where the data of the page come from: from the file that it is, or from the server.
import { decode, SnapshotError, type Snapshot } from "./snapshot";

/** What is known of one attempt beyond the columns. */
export interface Details {
  input?: string;
  cut?: boolean;
  attempts?: number[];
  error?: { text?: string; stack?: string } | null;
  stdout?: string;
  stderr?: string;
  stdout_bytes?: number; // of all that it wrote, of which stdout is the end
  stderr_bytes?: number;
  exit?: number;
  signal?: string;
}

export interface Source {
  live: boolean; // there is a server, which may know more
  snapshot(): Promise<Snapshot>;
  /** What else is known of a span; runs says that there will be more. */
  details(span: number, runs: boolean): Promise<Details | null>;
  /** The numbers of the inputs that hold a text; null if nobody can tell. */
  find(text: string): Promise<number[] | null>;
  command(name: string): Promise<void>;
}

/** The source for this page. */
export function findSource(): Source {
  const inline = document.getElementById("snapshot");
  return inline ? new FileSource(inline.textContent ?? "") : new ServerSource();
}

/** The self-contained file: the snapshot in base64 and compressed, details of failures in JSON. */
class FileSource implements Source {
  readonly live = false;
  private all: Record<string, Details> | null = null;

  constructor(private readonly text: string) {}

  async snapshot(): Promise<Snapshot> {
    const raw = atob(this.text.trim());
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return decode(await inflate(bytes));
  }

  async details(span: number): Promise<Details | null> {
    if (this.all === null) {
      try {
        this.all = JSON.parse(document.getElementById("details")?.textContent || "{}") as Record<string, Details>;
      } catch {
        this.all = {};
      }
    }
    return this.all[span] ?? null;
  }

  async find(): Promise<null> {
    return null;
  }

  async command(): Promise<void> {}
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer; // not compressed
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

class ServerSource implements Source {
  readonly live = true;
  private readonly kept = new Map<number, Details>();

  async snapshot(): Promise<Snapshot> {
    this.kept.clear(); // spans may stand elsewhere now
    const answer = await fetch("/api/snapshot", { cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) {
      throw new SnapshotError("This address needs its token. Open the whole address that braid printed.");
    }
    if (!answer.ok) throw new SnapshotError(`The server answered ${answer.status} ${answer.statusText}.`);
    return decode(await answer.arrayBuffer());
  }

  async details(span: number, runs: boolean): Promise<Details | null> {
    const kept = this.kept.get(span);
    if (kept) return kept;
    const answer = await fetch(`/api/task?span=${span}`, { cache: "no-store" });
    if (!answer.ok) return null;
    const details = (await answer.json()) as Details;
    if (this.kept.size > 500) this.kept.clear();
    if (!runs) this.kept.set(span, details);
    return details;
  }

  async find(text: string): Promise<number[] | null> {
    const answer = await fetch(`/api/find?q=${encodeURIComponent(text)}`, { cache: "no-store" });
    return answer.ok ? ((await answer.json()) as { inputs: number[] }).inputs : null;
  }

  async command(name: string): Promise<void> {
    const answer = await fetch(`/api/${name}`, { method: "POST", headers: { "X-Braid": "1" } });
    if (!answer.ok) throw new Error(`The server answered ${answer.status} to “${name}”.`);
  }
}
