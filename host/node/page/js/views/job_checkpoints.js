// Checkpoints and savepoints of a job.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import * as format from "../format.js";
import { button, empty, facts, panel, time } from "../parts.js";
import { poll } from "../poll.js";
import * as session from "../session.js";
import { table } from "../table.js";
import { savepoint } from "./job_actions.js";

const ASK_MS = 5_000;

export function checkpointsSection(view) {
    const { root, signal, path, name } = view;
    const last = h("div");
    const content = h("div");
    const take = button("Savepoint…", () => savepoint(view));
    put(root, last, panel("Checkpoints and savepoints", { actions: session.allows("operator") && take }, content));
    const list = table({
        caption: "Checkpoints and savepoints",
        key: (one) => `${one.number} ${one.savepoint ?? ""}`,
        columns: [
            { head: "Number", text: (one) => one.number },
            { head: "Kind", text: (one) => one.savepoint ? `savepoint ${one.savepoint}` : "checkpoint", node: (one) => one.savepoint ? ["savepoint ", h("strong", {}, one.savepoint)] : "checkpoint" },
            { head: "Complete", text: (one) => one.at_ms, node: (one) => time(one.at_ms) },
            { head: "At", text: (one) => format.exact(one.at_ms) },
            { head: "Added to the store", number: true, text: (one) => format.bytes(one.bytes) },
        ],
    });
    poll(load, ASK_MS, signal);
    let shown = null;

    return (detail) => {
        take.disabled = detail.phase !== "running";
        const checkpoint = detail.status?.checkpoint;
        const now = JSON.stringify(checkpoint ?? null);
        if (now === shown) return;
        shown = now;
        put(last, checkpoint && panel(`Last checkpoint: ${checkpoint.number}`, {}, facts([
            ["Complete", time(checkpoint.at_ms)],
            ["Added to the store", format.bytes(checkpoint.bytes)],
            ["Took", format.duration(checkpoint.duration_us / 1000)],
            ["Longest pause of a worker", format.duration(checkpoint.pause_us / 1000)],
            ["The one after it", checkpoint.failure && h("span", { class: "bad-text detail" }, `failed: ${checkpoint.failure}`)],
        ])));
    };

    async function load() {
        const items = (await api.all(path("checkpoints"), signal)).sort((a, b) => b.number - a.number);
        if (items.length === 0) return put(content, empty("There are no checkpoints yet: the first follows some seconds after the first rows. A savepoint is taken by hand:", `flowgate job savepoint ${name}`));
        if (list.element.parentNode !== content) put(content, list.element);
        list.update(items);
    }
}
