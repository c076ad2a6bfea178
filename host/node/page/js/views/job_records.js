// Recorded calls of a job: those that ended without an answer, each as a file that makes the call again.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { download } from "../download.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { copied, doing, empty, panel, time } from "../parts.js";
import { poll } from "../poll.js";
import { href, jobHref } from "../router.js";
import { table } from "../table.js";

const ASK_MS = 5_000;
/** What stands behind the name of an operator in what its canary does. */
const CANARY = " (canary)";

export function recordsSection({ root, signal, tenant, name, path }) {
    const content = h("div");
    const again = h("div");
    put(root, panel("Recorded calls", { hint: "Calls of plugins that trapped, took too long or too much, or returned what is not valid. Every job on a node records them." }, content, again));
    /** `NAME@VERSION` by digest. Versions are pushed now and then: they are asked for again where one is missing. */
    const versions = new Map();
    const list = recordTable({ tenant, name, versions, save });
    poll(load, ASK_MS, signal);

    async function load() {
        const calls = await api.all(path("records"), signal);
        if (calls.some((call) => !versions.has(call.sha256))) await learn(calls);
        if (calls.length === 0) {
            put(again);
            return put(content, empty("Every call of the job's plugins was answered: none was recorded in this attempt or the three before it."));
        }
        if (list.element.parentNode !== content) {
            put(content, list.element);
            put(again, howAgain(fileOf(name, calls[0])));
        }
        list.update(calls);
    }

    async function learn(calls) {
        for (const one of await api.all(api.of(tenant, "plugins"), signal)) versions.set(one.digest, one);
        for (const { sha256 } of calls) if (!versions.has(sha256)) versions.set(sha256, null);
    }

    async function save(call) {
        const file = fileOf(name, call);
        await download(path("records", call.id), file, signal);
        notices.done(`${file} is saved. flowgate plugin replay ${file} shows what the call was given.`);
    }
}

/** The operator of a call; one of a canary is named after the operator that it runs beside. */
function operatorOf(tenant, job, { operator }) {
    const beside = operator.endsWith(CANARY) ? operator.slice(0, -CANARY.length) : operator;
    return [h("a", { class: "strong", href: jobHref(tenant, job, "operators", { operator: beside }) }, beside), operator === beside ? null : h("span", { class: "muted" }, CANARY)];
}

function fileOf(job, call) {
    return `${job}-${call.id}.json`;
}

function howAgain(file) {
    return h("div", { class: "again" },
        h("h3", {}, "Make a call again"),
        h("p", { class: "muted" }, "A file has the rows, the state, the config and the time of one call: treat it like the data of the job. With a component behind the file, the program makes the same call, on any machine; without one, it shows what the call was given."),
        copied(`flowgate plugin replay ${file} plugin.wasm`, "Command"));
}

function recordTable({ tenant, name, versions, save }) {
    const version = (call) => versions.get(call.sha256);
    const word = (call) => version(call) ? `${version(call).name}@${version(call).version}` : format.digest(call.sha256);
    return table({
        caption: "Recorded calls, newest first",
        key: (call) => call.id,
        columns: [
            { head: "Call", text: (call) => call.id, node: (call) => h("span", { title: `Attempt ${call.id.split("-")[0]}${call.worker === undefined ? "" : `, worker ${call.worker}`}` }, call.id) },
            { head: "When", text: (call) => call.at_ms, node: (call) => time(call.at_ms) },
            { head: "Operator", text: (call) => call.operator, node: (call) => operatorOf(tenant, name, call) },
            {
                head: "Plugin", text: word,
                node: (call) => version(call) ? h("a", { href: href(["t", tenant, "plugins", version(call).name], { version: version(call).version }) }, word(call)) : h("code", { title: call.sha256 }, word(call)),
            },
            { head: "Function", text: (call) => call.function },
            { head: "Called", text: (call) => call.called, node: (call) => h("code", {}, call.called) },
            { head: "Given", number: true, text: (call) => format.count(call.given) },
            { head: "Why it ended", wide: true, text: (call) => call.reason, node: (call) => h("span", { class: "detail" }, call.reason) },
            { head: "Size", number: true, text: (call) => format.bytes(call.bytes) },
            { head: "", text: (call) => call.id, node: (call) => doing("Download", () => save(call), { "aria-label": `Download ${fileOf(name, call)}` }) },
        ],
    });
}
