// The canary of a job: how it is started, how far it is, what it has found, and its end before its time.

import * as api from "../api.js";
import { h, put, say } from "../dom.js";
import { dialog } from "../dialog.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { doing, field, panel, time } from "../parts.js";
import { poll } from "../poll.js";
import * as session from "../session.js";
import { canaryReport, isEqual, verdict } from "./canary_report.js";

const ASK_MS = 1_000;
/** How often a job is asked that has no canary: somebody else may start one. */
const ASK_IDLE_MS = 5_000;
/** Operations that are asked for: one that was refused may be newer than the one that runs. */
const ASKED = 5;
const SHARE_PERCENT = 5;
const FOR_S = 60;
const FOR_S_MAX = 3_600;

/** Creates the view of a job's last canary. `onChange` is called when one begins or has ended. */
export function canaryOf({ signal, tenant, name, path }, onChange) {
    const element = h("div");
    let shown = null;
    let operation = null;
    let askedAt = -Infinity;
    poll(ask, ASK_MS, signal);
    return { element, begin, isRunning };

    function isRunning() {
        return operation !== null && !operation.end;
    }

    async function ask() {
        if (isRunning() || performance.now() - askedAt >= ASK_IDLE_MS) await load();
    }

    async function load() {
        askedAt = performance.now();
        const { items } = await api.get(api.query(api.of(tenant, "operations"), { job: name, kind: "canary", limit: ASKED }), signal);
        take(items.find((one) => !one.end && one.so_far) ?? items.find((one) => !one.end) ?? items[0] ?? null);
    }

    function take(now) {
        if (now === null) return;
        const changed = operation?.id !== now.id || Boolean(operation.end) !== Boolean(now.end);
        operation = now;
        if (shown?.id !== now.id) {
            shown = canaryPanel(now, endIt);
            put(element, shown.element);
        }
        shown.update(now);
        if (changed) onChange();
    }

    async function begin(wanted, runs) {
        const begun = await askFor(wanted, runs, (body) => api.post(path("canary"), body, signal));
        if (!begun) return;
        take(begun);
        shown.focus();
    }

    async function endIt() {
        try {
            await api.remove(path("canary"));
        } catch (error) {
            // It has ended by itself meanwhile, or compares nothing yet.
            if (error.status !== 409 || !operation.end) throw error;
        }
        await load();
    }
}

/** Asks how large a share is compared, and for how long. */
function askFor(wanted, runs, post) {
    const share = h("input", { type: "number", min: 0.0001, max: 100, step: "any", required: true, value: String(SHARE_PERCENT) });
    const seconds = h("input", { type: "number", min: 1, max: FOR_S_MAX, required: true, value: String(FOR_S) });
    return dialog({
        title: `Run ${wanted.plugin} beside ${runs}`,
        body: [
            h("p", {}, `${wanted.plugin} is called with a share of what ${wanted.operator} gets, and what both versions return is compared.`),
            h("p", {}, "Nothing of the job changes: the new version emits no row, and what it writes to state and timers goes nowhere."),
            h("div", { class: "form-grid" },
                field("Share, %", share, "Of the keys of a process function; of the calls of another function."),
                field("Time, s", seconds, `At most ${format.count(FOR_S_MAX)}. It can be ended before.`)),
        ],
        action: "Start the canary",
        ready: () => share.checkValidity() && seconds.checkValidity(),
        submit: () => post({ ...wanted, share: Number(share.value) / 100, for_s: Number(seconds.value) }),
    });
}

/** The panel of one canary. */
function canaryPanel({ id, began_ms: began }, endIt) {
    const state = h("p", { role: "status" });
    const about = h("p", { class: "muted" });
    const turns = h("span", { class: "spinner", "aria-hidden": "true" });
    const body = h("div");
    const report = canaryReport();
    const end = session.allows("operator") && doing("End it", () => { isPressed = true; return endIt(); });
    let isPressed = false;
    const element = panel("Canary", { actions: end || null }, h("div", { class: "canary-state" }, turns, state, about), body);
    const heading = element.querySelector("h2");
    heading.tabIndex = -1;
    let isOver = false;
    let isWatched = false;
    let differs = false;
    return { id, element, update, focus: () => heading.focus() };

    function update(operation) {
        const canary = operation.end ? operation.end.result : operation.so_far;
        if (canary) {
            if (report.element.parentNode !== body) put(body, report.element);
            report.update(canary);
            put(heading, `Canary of ${canary.found.operator}: ${canary.to} beside ${canary.from}`);
        }
        if (operation.end) return over(operation.end, canary);
        isWatched = true;
        say(state, canary ? "It compares." : `It begins: ${operation.step}.`);
        describe(canary, []);
        if (canary && !differs && !isEqual(canary.found)) {
            differs = true;
            notices.announce(`The canary has found a difference. ${verdict(canary.found)}`);
        }
    }

    function over({ at_ms: at, problem }, canary) {
        if (isOver) return;
        isOver = true;
        // Whoever has ended it by its button is not left without a place.
        const isLeft = isPressed && document.activeElement === document.body;
        if (end && (isLeft || end.contains(document.activeElement))) heading.focus();
        if (end) end.remove();
        turns.remove();
        say(state, problem ? "It did not run." : `It has ended: ${canary.found.ended ?? "the job has ended"}.`);
        // Of one that ended before somebody came, nothing is news.
        if (canary && isWatched) notices.announce(`The canary has ended. ${verdict(canary.found)}`);
        describe(canary, [", ended ", time(at)]);
        if (problem) put(body, h("div", { class: "outcome bad" }, h("pre", { class: "detail" }, problem.detail)));
    }

    function describe(canary, more) {
        const settings = canary ? `${percent(canary.share)} of the keys or calls for ${canary.for_s < 60 ? `${canary.for_s} s` : format.duration(canary.for_s * 1000)}, ` : "";
        if (about.dataset.shown === settings && more.length === 0) return;
        about.dataset.shown = settings;
        put(about, settings, "began ", time(began), more);
    }
}

function percent(share) {
    return `${Number((share * 100).toPrecision(3))}%`;
}
