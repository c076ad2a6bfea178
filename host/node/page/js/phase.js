// The phase of a job, and whose fault a failure is: word, shape, and colour.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { time } from "./parts.js";

const TONES = { running: "good", starting: "info", stopping: "info", restarting: "warn", failed: "bad", stopped: "quiet", finished: "quiet" };
const FAULTS = {
    user: ["yours", "The job, its config or its plugin is at fault."],
    external: ["outside", "Something outside of Flowgate is at fault: a server, a file, a network."],
    internal: ["Flowgate", "This is a mistake in Flowgate. Please report it."],
};

const WITHOUT_STATUS = {
    stopped: "The job is stopped. Start it to see its graph and its figures.",
    finished: "The job has finished: its sources have ended, and all rows are written.",
    failed: "The job has failed. Start it again when the reason is mended.",
    restarting: "The job restarts. Its graph and its figures are shown when it runs again.",
    starting: "The job is starting.",
};

export const PHASES = Object.keys(TONES);

/** The phase as a mark. */
export function phaseMark(phase) {
    return h("span", { class: `mark ${TONES[phase] ?? "quiet"}` }, icon(phase), phase);
}

/** Whose fault a failure is, as a mark. */
export function faultMark(fault) {
    const [word, about] = FAULTS[fault] ?? [fault, ""];
    return h("span", { class: `mark ${fault === "internal" ? "bad" : "warn"}`, title: about }, `fault: ${word}`);
}

/** A failure: code, whose fault, where, and what; of a `past` attempt, folded up. */
export function failureBox(failure, { title, next, past }) {
    const head = [h("strong", {}, title), " ", h("code", {}, failure.code), " ", faultMark(failure.fault), failure.operator && [" in ", h("code", {}, failure.operator)], next && [" · next attempt ", time(next)]];
    const what = [h("p", { class: "detail" }, failure.message), h("p", { class: "muted" }, FAULTS[failure.fault]?.[1])];
    if (past) return h("details", { class: "failure past" }, h("summary", {}, head), what);
    return h("div", { class: "failure", role: "group", "aria-label": title }, h("p", {}, head), what);
}

/** Whether a job has a process. */
export function isAlive(phase) {
    return phase === "running" || phase === "starting" || phase === "stopping";
}

/** What is shown in the place of figures of a running job, while there are none. */
export function notRunning(detail) {
    return h("div", { class: "empty" }, h("p", {}, WITHOUT_STATUS[detail.phase] ?? "The job does not answer at the moment."));
}
