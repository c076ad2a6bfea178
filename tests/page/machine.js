// What the tests need of this machine.

import { existsSync } from "node:fs";
import path from "node:path";

const top = path.join(import.meta.dirname, "../..");
const target = process.env.CARGO_TARGET_DIR ?? path.join(top, "target");

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
