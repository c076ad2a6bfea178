// What the tests need of this machine.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const top = path.join(import.meta.dirname, "../..");
const target = process.env.CARGO_TARGET_DIR ?? path.join(top, "target");
const RUN_MS_MAX = 300_000;

/** The path of Chromium; null: there is none. */
export function chromium() {
    const paths = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    return paths.find((file) => file && existsSync(file)) ?? null;
}

/** The path of the program. */
export function flowgate() {
    const file = process.env.FLOWGATE ?? path.join(target, "release/flowgate");
    if (!existsSync(file)) throw new Error(`${file} is missing: make build, or set FLOWGATE to the path of the program`);
    return file;
}

/** The path of a plugin that comes with Flowgate. */
export function plugin(name) {
    const file = path.join(process.env.FLOWGATE_PLUGINS ?? path.join(target, "plugins"), `${name}.wasm`);
    if (!existsSync(file)) throw new Error(`${file} is missing: make plugins, or set FLOWGATE_PLUGINS to their folder`);
    return file;
}

/** The component that is built from `plugin/`: its first version, or its second one. */
export async function built({ isSecond }) {
    const folder = mkdtempSync(path.join(tmpdir(), "flowgate-page-plugin-"));
    const file = path.join(folder, "risk.wasm");
    try {
        const { status, stderr } = await run(["plugin", "build", path.join(import.meta.dirname, "plugin"), "-o", file], isSecond ? { FLOWGATE_PAGE_SECOND: "yes" } : {});
        if (status !== 0) throw new Error(`the plugin of the tests is not built:\n${stderr}`);
        return readFileSync(file);
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

/** Runs the program, and returns what it says. Connections are looked after meanwhile: a node closes idle ones. */
export function run(args, more = {}) {
    return new Promise((resolve) => {
        execFile(flowgate(), args, { env: { ...process.env, ...more }, timeout: RUN_MS_MAX }, (error, stdout, stderr) => resolve({ status: error ? error.code ?? 1 : 0, stdout, stderr }));
    });
}
