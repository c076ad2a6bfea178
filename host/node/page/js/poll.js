// Asking again and again: not while the tab is hidden, and more slowly while the node does not answer.

import * as notices from "./notices.js";
import { pause } from "./stream.js";

const WAIT_MS_MAX = 30_000;

/** Calls `ask` now and every `ms` until `signal` aborts. An error that stays is shown by `onError`; without it, as a lost connection. */
export async function poll(ask, ms, signal, onError) {
    let failures = 0;
    while (!signal.aborted) {
        if (document.hidden) {
            await shown(signal);
            continue;
        }
        try {
            await ask();
            failures = 0;
            notices.connected();
        } catch (error) {
            if (signal.aborted || error.name === "AbortError") return;
            failures += 1;
            const passing = error.status === 0 || error.status === 429 || error.status >= 500;
            if (!passing && onError?.(error)) return;
            const wait = Math.min(ms * 2 ** failures, WAIT_MS_MAX);
            notices.disconnected(error, wait);
            await pause(wait, signal);
            continue;
        }
        await pause(ms, signal);
    }
}

/** Waits until the tab is shown. */
export function shown(signal) {
    return new Promise((resolve) => {
        if (!document.hidden || signal.aborted) return resolve();
        const done = () => {
            if (document.hidden && !signal.aborted) return;
            document.removeEventListener("visibilitychange", done);
            resolve();
        };
        document.addEventListener("visibilitychange", done);
        signal.addEventListener("abort", done, { once: true });
    });
}

/** A signal that aborts with `signal`, and when the tab is hidden. */
export function whileShown(signal) {
    const controller = new AbortController();
    const end = () => {
        if (!document.hidden && !signal.aborted) return;
        document.removeEventListener("visibilitychange", end);
        controller.abort();
    };
    document.addEventListener("visibilitychange", end);
    signal.addEventListener("abort", end, { once: true });
    return controller.signal;
}
