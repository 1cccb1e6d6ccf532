// Builds dist/ from src/:     node build.mjs
// Or the tests, into .test/:  node build.mjs test
//
// The output depends on the sources and on the exact versions in the lock file, and on
// nothing else, so that anybody can build it again and compare.
import { build } from "esbuild";
import { copyFile, mkdir, readdir, readFile, rm } from "node:fs/promises";

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
};

if (process.argv[2] === "test") {
  await rm(".test", { recursive: true, force: true });
  const files = (await readdir("test")).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...common,
    entryPoints: files.map((name) => `test/${name}`),
    outdir: ".test",
    outExtension: { ".js": ".mjs" },
    platform: "node",
    sourcemap: "inline",
  });
} else {
  await rm("dist", { recursive: true, force: true });
  await mkdir("dist", { recursive: true });
  await build({
    ...common,
    // A classic script, which works wherever it stands: beside the page or inside it.
    format: "iife",
    entryPoints: { app: "src/main.tsx" },
    outdir: "dist",
    minify: true,
    legalComments: "none",
    banner: { js: await notice() },
    define: { "process.env.NODE_ENV": '"production"' },
  });
  await build({ ...common, entryPoints: { app: "src/style.css" }, outdir: "dist", minify: true });
  await copyFile("src/index.html", "dist/index.html");
}

// The licences of what is bundled ask to go along with every copy.
async function notice() {
  const parts = ["preact", "@preact/signals", "@preact/signals-core"];
  const texts = new Map();
  for (const name of parts) {
    const text = (await readFile(`node_modules/${name}/LICENSE`, "utf8")).trim();
    texts.set(text, [...(texts.get(text) ?? []), name]);
  }
  const said = [...texts].map(([text, names]) => `This file contains ${names.join(", ")}:\n\n${text}`);
  return `/*!\n${said.join("\n\n")}\n*/`;
}
