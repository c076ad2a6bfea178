// One job: its head with what can be done, and a section. All sections share one Status, asked for once a second.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import * as format from "../format.js";
import { time } from "../parts.js";
import { failureBox, phaseMark } from "../phase.js";
import { poll } from "../poll.js";
import { Rates } from "../rates.js";
import { href, jobHref } from "../router.js";
import { viewHead } from "../shell.js";
import * as notices from "../notices.js";
import { actionsOf } from "./job_actions.js";
import { checkpointsSection } from "./job_checkpoints.js";
import { documentSection } from "./job_document.js";
import { explainSection } from "./job_explain.js";
import { historySection } from "./job_history.js";
import { logsSection } from "./job_logs.js";
import { operatorsSection } from "./job_operators.js";
import { overviewSection } from "./job_overview.js";
import { recordsSection } from "./job_records.js";
import { swapSection } from "./job_swap.js";
import { tapSection } from "./job_tap.js";

const ASK_MS = 1_000;

/** The sections: word, and what draws one. It returns what is called with each new detail, or nothing. */
const SECTIONS = {
    overview: ["Overview", overviewSection],
    operators: ["Operators", operatorsSection],
    checkpoints: ["Checkpoints", checkpointsSection],
    swap: ["Plugins and swap", swapSection],
    history: ["History", historySection],
    records: ["Recorded calls", recordsSection],
    logs: ["Logs", logsSection],
    tap: ["Tap", tapSection],
    explain: ["Explain", explainSection],
    document: ["Document", documentSection],
};

/** Rates survive a change of the section: one job is kept. */
let kept = { key: null, rates: null };

export async function jobView({ root, signal, tenant, name, section, query }) {
    const path = (...parts) => api.of(tenant, "jobs", name, ...parts);
    const key = `${tenant}/${name}`;
    if (kept.key !== key) kept = { key, rates: new Rates() };
    const { rates } = kept;
    let detail = await api.get(path(), signal);

    const phase = h("span");
    const since = h("p", { class: "muted facts-line" });
    const actions = h("div", { class: "actions" });
    const failure = h("div");
    const content = h("div", { class: "section" });
    const word = SECTIONS[section]?.[0];
    put(root, viewHead(name, { trail: [["Jobs", href(["t", tenant, "jobs"])]], beside: phase, actions }), since, failure,
        ways(tenant, name, section), content);
    showCurrent(root.querySelector(".sections ul"));
    document.title = `${word ?? "Not found"} · ${name} · Flowgate`;
    if (!word) return put(content, h("p", {}, "A job has no such section."));

    const view = { root: content, signal, tenant, name, query, path, rates, detail: () => detail, ask };
    let update = null;
    let shownHead = null;
    take(detail);
    update = (await SECTIONS[section][1](view)) ?? null;
    update?.(detail);
    await poll(ask, ASK_MS, signal, (error) => { put(content, notices.inPlace(error)); return true; });

    async function ask() {
        take(await api.get(path(), signal));
        update?.(detail);
    }

    function take(now) {
        const before = detail.phase;
        detail = now;
        if (now.status) rates.push(now.status);
        if (before !== now.phase) notices.announce(`The job is ${now.phase}.`);
        const head = JSON.stringify([now.phase, now.attempt, now.attempt_ms, now.next_attempt_ms, now.restarts, now.parallelism, now.failure, now.status?.error]);
        if (head === shownHead) return;
        shownHead = head;
        put(phase, phaseMark(now.phase));
        put(since, `Attempt ${now.attempt}`, now.attempt_ms && [" since ", time(now.attempt_ms)], ` · ${format.plural(now.restarts, "restart")}`,
            ` · ${format.plural(now.parallelism, "worker")}`, " · submitted ", time(now.submitted_ms), ` by ${now.submitted_by}`);
        // The focus of somebody who is about to press a button stays on it.
        const focused = actions.contains(document.activeElement) ? document.activeElement.textContent : null;
        put(actions, actionsOf(view, now));
        if (focused) [...actions.children].find((button) => button.textContent === focused)?.focus();
        const error = now.status?.error ?? now.failure;
        put(failure, error && failureBox(error, {
            title: now.phase === "failed" ? "The job has failed:" : now.phase === "running" && !now.status?.error ? "The attempt before failed:" : "The last attempt failed:",
            next: now.next_attempt_ms, past: now.phase === "running" && !now.status?.error,
        }));
    }
}

/** Scrolls a row of links so far that the current one is seen. */
function showCurrent(list) {
    const current = list.querySelector("[aria-current]");
    if (current) list.scrollLeft = current.offsetLeft - (list.clientWidth - current.offsetWidth) / 2;
}

function ways(tenant, job, section) {
    const items = Object.entries(SECTIONS).map(([path, [word]]) =>
        h("li", {}, h("a", { href: jobHref(tenant, job, path === "overview" ? null : path), "aria-current": path === section ? "page" : null }, word)));
    return h("nav", { class: "sections", "aria-label": "Sections of the job" }, h("ul", {}, items));
}
