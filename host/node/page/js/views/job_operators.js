// The operators of a job with all of their figures; one of them in detail.

import { h, put } from "../dom.js";
import * as format from "../format.js";
import { facts, panel, time } from "../parts.js";
import { notRunning } from "../phase.js";
import { jobHref } from "../router.js";
import * as standing from "../standing.js";
import { table } from "../table.js";

export function operatorsSection({ root, tenant, name, query, rates }) {
    const chosen = query.get("operator");
    const list = operatorTable(tenant, name, rates, chosen);
    const listPanel = panel("Operators", {}, list.element);
    const one = h("div");
    const missing = h("div");
    put(root, one, listPanel, missing);
    const detailOf = chosen ? operatorDetail(tenant, name, chosen) : null;
    if (detailOf) put(one, detailOf.element);

    return (detail) => {
        const { status } = detail;
        listPanel.hidden = one.hidden = !status;
        put(missing, !status && notRunning(detail));
        if (!status) return;
        list.update(status.operators.map((operator) => ({ ...operator, now: status.now_ms })));
        detailOf?.update(status);
    };
}

function waitText(operator) {
    const blocked = standing.blockedSince(operator);
    const waits = standing.waitsSince(operator);
    const aligned = operator.on_workers.find((on) => on.aligned_since_ms !== null && on.aligned_since_ms !== undefined);
    if (waits !== null) return `slow: rows wait, ${format.duration(Math.max(0, operator.now - waits))}`;
    if (blocked !== null) return `blocked: receivers are full, ${format.duration(Math.max(0, operator.now - blocked))}`;
    return aligned ? `aligned: waits for other sources, ${format.duration(Math.max(0, operator.now - aligned.aligned_since_ms))}` : "no";
}

function operatorTable(tenant, job, rates, chosen) {
    const rate = (name, counter) => {
        const figures = rates.of(name);
        return figures ? format.compact(figures[counter]) : "–";
    };
    return table({
        caption: "Operators, inputs before the operators that read them",
        key: (operator) => operator.name,
        rowClass: (operator) => operator.name === chosen ? "chosen" : null,
        columns: [
            { head: "Operator", text: (one) => one.name, node: (one) => h("a", { class: "strong", href: jobHref(tenant, job, "operators", { operator: one.name }) }, one.name) },
            { head: "Kind", text: standing.kindWord },
            { head: "In, rows/s", number: true, text: (one) => rate(one.name, "in") },
            { head: "Out, rows/s", number: true, text: (one) => standing.kind(one) === "sink" ? "" : rate(one.name, "out") },
            { head: "Backpressure", text: waitText, node: (one) => waitText(one) === "no" ? h("span", { class: "muted" }, "no") : h("span", { class: "warn-text" }, waitText(one)) },
            { head: "Errors", number: true, text: (one) => one.errors, node: (one) => one.errors > 0 ? h("strong", { class: "bad-text" }, format.count(one.errors)) : "0" },
            { head: "Late", number: true, text: (one) => format.count(one.late) },
            { head: "Lag", number: true, text: (one) => standing.ended(one) ? "ended" : standing.lagWord(standing.lag(one, one.now)) },
            { head: "State", number: true, text: (one) => one.state.keys + one.state.spilled_keys > 0 ? `${format.compact(one.state.keys + one.state.spilled_keys)} keys, ${format.bytes(one.state.memory_bytes)}` : "" },
            { head: "Rows in", number: true, text: (one) => format.count(one.rows_in) },
            { head: "Rows out", number: true, text: (one) => standing.kind(one) === "sink" ? "" : format.count(one.rows_out) },
        ],
    });
}

function operatorDetail(tenant, job, name) {
    const about = h("div");
    const workers = workerTable();
    const splits = splitTable();
    const splitBox = h("div", {}, splits.element);
    const actions = [
        h("a", { class: "button", href: jobHref(tenant, job, "explain", { operator: name }) }, "Explain"),
        h("a", { class: "button", href: jobHref(tenant, job, "tap", { operator: name }) }, "Tap"),
        h("a", { class: "button", href: jobHref(tenant, job, "logs", { operator: name }) }, "Logs"),
        h("a", { class: "button", href: jobHref(tenant, job, "records") }, "Recorded calls"),
        h("a", { class: "button", href: jobHref(tenant, job, "operators") }, "Close"),
    ];
    const element = panel(name, { actions }, about, workers.element, splitBox);
    return { element, update };

    function update(status) {
        const operator = status.operators.find((one) => one.name === name);
        if (!operator) return put(about, h("p", {}, "The job has no operator of this name."));
        const { pending, deliveries, event_time: rule, state } = operator;
        const at = standing.watermark(operator);
        put(about, facts([
            ["Kind", standing.kindWord(operator)],
            ["Reads", operator.inputs.map((input) => input.operator + (input.output ? `.${input.output}` : "")).join(", ") || null],
            ["Watermark", at === null ? "none" : format.exact(at)],
            ["Event time", rule && `rows up to ${format.duration(rule.max_out_of_orderness_ms)} out of order`],
            ["Last row out", operator.last_row_out_ms ? time(operator.last_row_out_ms) : null],
            ["State", state.keys + state.spilled_keys > 0 && `${format.count(state.keys)} keys, ${format.bytes(state.memory_bytes)}; ${format.count(state.spilled_keys)} in files`],
            ["Pending results", pending && `${format.count(pending.count)}${pending.event_time_ms ? `, the first at watermark ${format.exact(pending.event_time_ms)}` : ""}${pending.processing_time_ms ? `, the first at ${format.exact(pending.processing_time_ms)}` : ""}`],
            ["Deliveries", deliveries && `${format.count(deliveries.delivered)} delivered, ${format.count(deliveries.waiting)} waiting, ${format.count(deliveries.retrying)} retrying, ${format.count(deliveries.retries)} retries`],
            ["Dropped", operator.dropped > 0 && `${format.count(operator.dropped)} failed or late rows that nothing reads`],
            ["First error", operator.first_error && h("span", { class: "detail" }, operator.first_error)],
        ]));
        workers.update(operator.on_workers.map((on) => ({ ...on, now: status.now_ms, inputs: operator.inputs })));
        splitBox.hidden = operator.splits.length === 0;
        splits.update(operator.splits);
    }
}

function workerTable() {
    const since = (one, field) => one[field] === null || one[field] === undefined ? "" : format.duration(Math.max(0, one.now - one[field]));
    return table({
        caption: "On each worker", shownCaption: true,
        key: (on) => on.worker,
        columns: [
            { head: "Worker", text: (on) => on.worker },
            { head: "Activity", text: (on) => on.activity },
            { head: "Watermark", text: (on) => on.watermark_ms === null ? "none" : format.isTime(on.watermark_ms) ? format.exact(on.watermark_ms) : "end of input" },
            { head: "Moved", text: (on) => on.watermark_moved_ms ?? "", node: (on) => on.watermark_moved_ms ? time(on.watermark_moved_ms) : "–" },
            { head: "Held back by", text: (on) => on.held_by ? `${on.inputs[on.held_by.input]?.operator ?? `input ${on.held_by.input}`}, worker ${on.held_by.worker}` : "–" },
            { head: "Output full", number: true, text: (on) => since(on, "output_full_since_ms") || "–" },
            { head: "Input full", number: true, text: (on) => since(on, "input_full_since_ms") || "–" },
            { head: "Aligned", number: true, text: (on) => since(on, "aligned_since_ms") || "–" },
        ],
    });
}

function splitTable() {
    return table({
        caption: "Splits of the source", shownCaption: true,
        key: (split) => `${split.name}\n${split.worker}`,
        columns: [
            { head: "Split", text: (split) => split.name },
            { head: "Worker", number: true, text: (split) => split.worker },
            { head: "Activity", text: (split) => split.activity },
            { head: "Rows", number: true, text: (split) => format.count(split.rows) },
            { head: "Last row", text: (split) => split.last_row_ms ?? "", node: (split) => split.last_row_ms ? time(split.last_row_ms) : "–" },
            { head: "Watermark", text: (split) => split.watermark_ms === null ? "none" : format.exact(split.watermark_ms) },
        ],
    });
}
