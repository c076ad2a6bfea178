// Tap: rows that leave an operator, live and bounded.

import * as api from "../api.js";
import { h, put, say } from "../dom.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { button, empty, field, offer, panel, select } from "../parts.js";
import { notRunning } from "../phase.js";
import { note } from "../router.js";
import * as standing from "../standing.js";
import { stream } from "../stream.js";

const ROWS_SHOWN_MAX = 200;
const ROWS = ["20", "100", "1000"];
const CELL_CHARS_MAX = 200;

export function tapSection({ root, signal, path, query }) {
    let tapping = null;
    let known = null;
    const operator = select([], "", null);
    const output = select([["", "main"], "errors", "late"], query.get("output") ?? "", null);
    const rows = select(ROWS.map((n) => [n, `${format.count(Number(n))} rows`]), query.get("rows") ?? "100", null);
    const start = button("Start", begin, { kind: "primary" });
    const stop = button("Stop", end);
    stop.disabled = true;
    // Its number changes with each row: only the beginning and the end are read out.
    const state = h("p", { class: "muted" });
    const content = h("div", {}, empty("Choose an operator, and start: the rows that leave it are shown as they come. A tap slows nothing down; it leaves rows out where there are too many."));
    const form = panel("Tap", {}, h("div", { class: "filters" }, field("Operator", operator), field("Output", output), field("At most", rows), start, stop, state), content);
    const missing = h("div");
    put(root, form, missing);
    signal.addEventListener("abort", () => tapping?.abort());

    return (detail) => {
        form.hidden = !detail.status;
        put(missing, !detail.status && notRunning(detail));
        if (!detail.status) return;
        const names = detail.status.operators.filter((one) => standing.kind(one) !== "sink").map((one) => one.name);
        if (names.join("\n") === known) return;
        known = names.join("\n");
        offer(operator, names, operator.value || query.get("operator"));
    };

    async function begin() {
        const mine = new AbortController();
        tapping = mine;
        start.disabled = true;
        stop.disabled = false;
        note({ operator: operator.value, output: output.value, rows: rows.value });
        const shown = rowTable(`Rows of ${operator.value}${output.value ? `.${output.value}` : ""}, newest first`);
        put(content, shown.element);
        let lost = 0;
        tell("Waiting for rows");
        const address = api.query(path("tap"), { operator: operator.value, output: output.value, rows: rows.value });
        try {
            await stream(address, {
                signal: mine.signal,
                once: true,
                onEvent: ({ event, data }) => {
                    if (event === "lost") lost += Number(data);
                    if (event === "row") shown.push(JSON.parse(data));
                    say(state, `${rowsText(shown, lost)}, live`);
                },
            });
        } catch (error) {
            if (!mine.signal.aborted) notices.problem(error);
        }
        if (tapping !== mine || signal.aborted) return;
        tell(`${rowsText(shown, lost)}; the tap has ended`);
        start.disabled = false;
        stop.disabled = true;
    }

    function tell(text) {
        say(state, text);
        notices.announce(text);
    }

    function end() {
        tapping?.abort();
        start.focus();
    }
}

function rowsText(shown, lost) {
    return format.plural(shown.count(), "row") + (lost > 0 ? `, ${format.count(lost)} left out` : "");
}

/** A table whose columns are those of its rows. */
function rowTable(caption) {
    const columns = [];
    let rows = [];
    let all = 0;
    let pending = false;
    const head = h("tr");
    const body = h("tbody");
    const element = h("div", { class: "scroll tall", role: "region", tabindex: "0", "aria-label": caption }, h("table", { class: "rows" }, h("caption", { class: "unseen" }, caption), h("thead", {}, head), body));
    return { element, push, count: () => all };

    function push(row) {
        const item = row !== null && typeof row === "object" && !Array.isArray(row) ? row : { value: row };
        all += 1;
        rows = [{ number: all, item }, ...rows].slice(0, ROWS_SHOWN_MAX);
        for (const column of Object.keys(item)) if (!columns.includes(column)) columns.push(column);
        if (pending) return;
        // Many rows may come at once: they are drawn once.
        pending = true;
        requestAnimationFrame(draw);
    }

    function draw() {
        pending = false;
        put(head, h("th", { scope: "col", class: "number" }, "#"), columns.map((column) => h("th", { scope: "col" }, column)));
        put(body, rows.map(({ number, item }) => h("tr", {}, h("th", { scope: "row", class: "number" }, format.count(number)), columns.map((column) => cell(item[column])))));
    }
}

function cell(value) {
    if (value === undefined) return h("td");
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const isLong = text.length > CELL_CHARS_MAX;
    return h("td", { class: typeof value === "number" ? "number" : value === null ? "muted" : null, title: isLong ? text.slice(0, 2000) : null }, isLong ? `${text.slice(0, CELL_CHARS_MAX)}…` : text);
}
