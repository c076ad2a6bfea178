// How a job stands, from its Status: watermarks, lag, who waits for whom. The rules are those of `flowgate job status`.

import * as format from "./format.js";

/** The words for kinds of operators. */
const KINDS = {
    source: "source", transform: "transform", event_time_window: "event-time window", processing_time_window: "processing-time window",
    global_window: "global window", row_window: "row window", join: "join", lookup: "lookup", process: "process function",
    select: "select", union: "union", sink: "sink",
};

/** The kind of an operator, without its settings. */
export function kind(operator) {
    return typeof operator.kind === "string" ? operator.kind : Object.keys(operator.kind)[0];
}

export function kindWord(operator) {
    return KINDS[kind(operator)] ?? kind(operator).replaceAll("_", " ");
}

/** The least watermark of those that are active, or the greatest of all if none is; null: there is none yet. */
function least(entries) {
    const active = entries.filter((entry) => entry.activity === "active");
    if (active.length > 0) return active.some((entry) => entry.watermark_ms === null) ? null : Math.min(...active.map((entry) => entry.watermark_ms));
    const known = entries.map((entry) => entry.watermark_ms).filter((at) => at !== null && at !== undefined);
    return known.length > 0 ? Math.max(...known) : null;
}

/** The watermark of an operator: that of a source is the least of its splits. */
export function watermark(operator) {
    return least(kind(operator) === "source" ? operator.splits : operator.on_workers);
}

/** Whether an operator and its senders have ended. */
export function ended(operator) {
    const entries = kind(operator) === "source" && operator.splits.length > 0 ? operator.splits : operator.on_workers;
    return entries.length > 0 && entries.every((entry) => entry.activity === "ended");
}

/** How far the watermark is behind the job's clock, in milliseconds; null: there is none. */
export function lag(operator, now) {
    const at = watermark(operator);
    return at === null || !format.isTime(at) || ended(operator) ? null : now - at;
}

/** The greatest lag of a job's sinks and operators. */
export function jobLag(status) {
    const lags = status.operators.map((operator) => lag(operator, status.now_ms)).filter((ms) => ms !== null);
    return lags.length > 0 ? Math.max(...lags) : null;
}

export function lagWord(ms) {
    return ms === null || ms === undefined ? "–" : format.duration(Math.max(0, ms));
}

/** Since when rows wait in front of an operator, or in it; null: they do not. */
export function waitsSince(operator) {
    const times = [operator.rows_wait_since_ms, ...operator.on_workers.map((on) => on.input_full_since_ms)];
    return earliest(times);
}

/** Since when an operator cannot emit. */
export function blockedSince(operator) {
    return earliest(operator.on_workers.map((on) => on.output_full_since_ms));
}

function earliest(times) {
    const known = times.filter((at) => at !== null && at !== undefined);
    return known.length > 0 ? Math.min(...known) : null;
}

/** The edges of a job's graph: `{key, from, to, output}`. */
export function edges(operators) {
    const names = new Set(operators.map((operator) => operator.name));
    return operators.flatMap((to) => to.inputs.filter((input) => names.has(input.operator)).map((input, index) => ({
        key: `${input.operator}\n${input.output}\n${to.name}\n${index}`, from: input.operator, to: to.name, output: input.output,
    })));
}

/** How an edge stands: its rate, watermark, lag, and since when rows wait on it. */
export function edgeStanding(edge, byName, rates, now) {
    const from = byName.get(edge.from);
    const to = byName.get(edge.to);
    const figures = rates.of(edge.from);
    const rate = figures && { "": figures.out, errors: figures.errors, late: figures.late }[edge.output];
    // A receiver with one input has the watermark of this edge; one with several has the least of them.
    const at = to.inputs.length === 1 || watermark(from) === null ? watermark(to) : watermark(from);
    const waits = waitsSince(to);
    return { rate: rate ?? null, watermark: at, lag: at === null || !format.isTime(at) || ended(from) ? null : now - at, ended: ended(from),
        waitsMs: waits === null ? null : Math.max(0, now - waits) };
}

/** Rows that an operator has failed, found late, or dropped. */
export function troubles(operator) {
    return operator.errors + operator.late;
}
