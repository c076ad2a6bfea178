// Operations: what takes longer than a request. They are asked about until they have ended.

import * as api from "./api.js";
import { h, put, say } from "./dom.js";
import * as format from "./format.js";
import * as notices from "./notices.js";
import { waiting } from "./parts.js";
import { pause } from "./stream.js";

const ASK_MS = 400;

/** Follows an operation of a tenant to its end and returns its result. `onStep` receives what it does now. */
export async function follow(tenant, operation, { signal, onStep } = {}) {
    let now = operation;
    while (!now.end) {
        onStep?.(now.step, now);
        await pause(ASK_MS, signal);
        signal?.throwIfAborted();
        try {
            now = await api.get(api.of(tenant, "operations", now.id), signal);
        } catch (error) {
            // The operation goes on, whether the node answers in time or not.
            if (error.status !== 0 && error.status !== 429 && error.status !== 503) throw error;
        }
    }
    if (now.end.problem) throw new api.Problem(now.end.problem);
    return now.end.result;
}

/** Shows the steps of an operation in `place` while it goes on, and returns its result. Its time is seen, and not read out. */
export async function followIn(place, tenant, operation, signal) {
    const began = operation.began_ms;
    const step = h("span");
    const took = h("span", { class: "muted", "aria-hidden": "true" });
    put(place, waiting([step, took]));
    try {
        return await follow(tenant, operation, {
            signal,
            onStep: (text, now) => {
                say(step, text || now.kind);
                say(took, format.duration(Math.max(0, Date.now() - began)));
            },
        });
    } finally {
        put(place);
    }
}

/** Follows an operation in a notice of its own, from any view. */
export async function followInNotice(tenant, operation, text, done) {
    const step = h("p", {}, text);
    const box = h("div", { class: "notice", role: "status" }, h("span", { class: "spinner", "aria-hidden": "true" }), step);
    document.getElementById("notices").append(box);
    try {
        const result = await follow(tenant, operation, { onStep: (now) => say(step, `${text}: ${now}`) });
        notices.done(done(result));
    } catch (error) {
        notices.problem(error);
    } finally {
        box.remove();
    }
}
