// What has happened to a job, newest first.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { doing, empty, panel, time } from "../parts.js";
import { poll } from "../poll.js";
import { table } from "../table.js";

const ASK_MS = 5_000;
const PART = 100;

export function historySection({ root, signal, path }) {
    const content = h("div");
    const foot = h("div", { class: "actions" });
    put(root, panel("History", {}, content, foot));
    const events = new Map();
    let next = null;
    let isFirst = true;
    const list = table({
        caption: "Events of the job, newest first",
        key: (event) => event.number,
        columns: [
            { head: "Number", number: true, text: (event) => event.number },
            { head: "When", text: (event) => event.at_ms, node: (event) => time(event.at_ms) },
            { head: "Event", text: (event) => event.kind, node: (event) => h("span", { class: `mark ${tone(event.kind)}` }, event.kind.replaceAll("_", " ")) },
            { head: "By", text: (event) => event.by ?? "the node" },
            { head: "What", wide: true, text: (event) => event.text, node: (event) => h("span", { class: "detail" }, event.text) },
        ],
    });
    poll(load, ASK_MS, signal);

    async function load() {
        take(await api.get(api.query(path("history"), { limit: PART }), signal), isFirst);
        isFirst = false;
    }

    function take(page, setsNext) {
        for (const event of page.items) events.set(event.number, event);
        if (setsNext) next = page.next ?? null;
        if (events.size === 0) return put(content, empty("Nothing has happened yet."));
        if (list.element.parentNode !== content) put(content, list.element);
        list.update([...events.values()].sort((a, b) => b.number - a.number));
        put(foot, next && doing("Older events", async () => take(await api.get(api.query(path("history"), { limit: PART, after: next }), signal), true)));
    }
}

function tone(kind) {
    if (kind.includes("fail") || kind === "refused") return "bad";
    if (kind.includes("restart") || kind.includes("rolled")) return "warn";
    return kind.includes("start") || kind.includes("swap") || kind === "canary" ? "info" : "quiet";
}
