// Runs the tests of the page: starts a node on loopback with a folder of its own, seeds it, runs each file of views/, stops the node.
//
//   node run.js [FILE ...]     FLOWGATE=path/to/flowgate  FLOWGATE_PLUGINS=folder of *.wasm  PICTURES=folder, pictures of each view

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { chromium } from "./machine.js";
import { startNode } from "./node.js";
import { seed } from "./seed.js";

const here = import.meta.dirname;

if (chromium() === null) {
    const text = "page: Chromium is missing, so the tests of the page are skipped. Debian: apt-get install chromium; or set CHROMIUM to its path";
    console.error(text);
    process.exit(process.env.CI === "true" ? 1 : 0);
}

const node = await startNode();
let code = 1;
try {
    const seeded = await seed(node);
    code = await tests({ FLOWGATE_PAGE: JSON.stringify({ address: node.address, ...seeded }) });
} finally {
    await node.stop();
}
process.exit(code);

function tests(more) {
    const chosen = process.argv.slice(2);
    const files = chosen.length > 0 ? chosen : readdirSync(path.join(here, "views")).filter((name) => name.endsWith(".test.js")).map((name) => path.join(here, "views", name));
    // One at a time: the views share a node, and one of them stops and swaps jobs.
    const child = spawn(process.execPath, ["--test", "--test-concurrency=1", ...files], { stdio: "inherit", env: { ...process.env, ...more } });
    return new Promise((resolve) => child.on("exit", (status) => resolve(status ?? 1)));
}
