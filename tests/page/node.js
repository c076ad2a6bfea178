// A node on loopback, in a folder that is removed.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { flowgate } from "./machine.js";

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;

/** Starts a node: `{address, token, stop()}`. It is stopped by its process id, and its jobs with it. */
export async function startNode() {
    const folder = mkdtempSync(path.join(tmpdir(), "flowgate-page-"));
    const child = spawn(flowgate(), ["serve", "--data", path.join(folder, "node"), "--listen", "127.0.0.1:0", "--stop-jobs"], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    const ended = new Promise((resolve) => child.on("exit", resolve));
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => { said += text; });
    const find = (pattern) => pattern.exec(said)?.[1];
    const from = Date.now();
    while (!find(/serves at (\S+)/)) {
        if (child.exitCode !== null || Date.now() - from > START_MS_MAX) throw new Error(`the node has not started:\n${said}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { address: find(/serves at (\S+)/), token: find(/shown this once: (\S+)/), stop };

    async function stop() {
        child.kill("SIGTERM");
        const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
        await ended;
        clearTimeout(late);
        rmSync(folder, { recursive: true, force: true });
    }
}
