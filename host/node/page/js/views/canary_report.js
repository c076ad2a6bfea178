// What a canary has found: counts, why rows failed, and the first differences with the values of both versions.

import { add, h, id, put } from "../dom.js";
import * as format from "../format.js";
import { icon } from "../icons.js";

const VALUE_CHARS_MAX = 300;
const TITLE_CHARS_MAX = 2_000;

/** Whether the versions did the same, as far as they were compared. */
export function isEqual(found) {
    return rowsThatDiffer(found) + found.state_differs === 0;
}

function rowsThatDiffer(found) {
    return found.differ + found.new_failed + found.old_failed;
}

/** What was found, in a sentence. */
export function verdict(found) {
    if (found.rows + found.keys === 0) return "No row was compared.";
    if (isEqual(found)) return `No difference in ${format.plural(found.rows, "row")}.`;
    const rows = `${format.count(rowsThatDiffer(found))} of ${format.plural(found.rows, "row")} differ`;
    return found.state_differs > 0 ? `${rows}, and the state of ${format.count(found.state_differs)} of ${format.plural(found.keys, "key")}.` : `${rows}.`;
}

/** Creates the view of a report; `update(canary)` renews it where something has changed. */
export function canaryReport() {
    const said = h("p", { class: "strong verdict" });
    const counts = h("dl", { class: "tiles" });
    const texts = h("div", { class: "texts" });
    const differences = h("div");
    const element = h("div", { class: "report" }, said, counts, texts, differences);
    const drawn = new Map();
    return { element, update };

    function update({ from, to, found }) {
        const tone = isEqual(found) ? (found.rows > 0 ? "good" : "quiet") : "bad";
        renew(said, [tone, verdict(found)], () => { said.className = `strong verdict ${tone}`; return [tone !== "quiet" && icon(tone === "good" ? "check" : "alert"), verdict(found)]; });
        renew(counts, found, () => tiles(from, to, found));
        renew(texts, [found.reasons, found.notes], () => [
            listOf(`Why ${to} fails rows that ${from} does not`, found.reasons.map((failed) => `${format.plural(failed.rows, "row")}: ${failed.reason}`)),
            listOf("What was not compared", found.notes)]);
        renew(differences, found.differences, () => found.differences.length > 0 && differenceTable(from, to, found.differences));
    }

    /** Selections and the place of a scrolled table stay where nothing has changed. */
    function renew(place, what, draw) {
        const now = JSON.stringify(what);
        if (drawn.get(place) === now) return;
        drawn.set(place, now);
        put(place, draw());
    }
}

function tiles(from, to, found) {
    const bad = (n) => n > 0;
    const left = found.skipped_slow + found.skipped_large;
    return [
        tile("Rows compared", format.count(found.rows), `of ${format.plural(found.calls, "call")}`),
        tile("The same", format.count(found.equal), "rows"),
        tile("Different rows", format.count(found.differ), "rows", bad(found.differ)),
        tile("Failed by one alone", `${format.count(found.new_failed)} / ${format.count(found.old_failed)}`, `by ${to} / by ${from}`, bad(found.new_failed + found.old_failed)),
        found.keys > 0 && tile("Different state", format.count(found.state_differs), `of ${format.plural(found.keys, "key")}`, bad(found.state_differs)),
        found.old_row_ns != null && found.new_row_ns != null && tile("Time of a row", format.duration(found.new_row_ns / 1e6), `${format.duration(found.old_row_ns / 1e6)} in ${from}`),
        left > 0 && tile("Left out", format.count(left), `calls: ${[found.skipped_slow > 0 && `${format.count(found.skipped_slow)} for time`, found.skipped_large > 0 && `${format.count(found.skipped_large)} for large state`].filter(Boolean).join(", ")}`),
    ];
}

function tile(name, value, about, isBad) {
    return h("div", { class: isBad ? "tile bad" : "tile" }, h("dt", {}, name), h("dd", {}, h("span", { class: "value" }, value), h("span", { class: "about" }, about)));
}

function listOf(title, entries) {
    return entries.length > 0 && h("div", {}, h("h3", {}, title), h("ul", { class: "warnings" }, entries.map((entry) => h("li", { class: "detail" }, entry))));
}

/** The first differences: a body of the table for each, with a row for what both made of it and for each column. */
function differenceTable(from, to, differences) {
    const label = id("caption");
    const heads = ["Given", "What differs", "Column", from, to];
    return h("div", { class: "scroll tall", role: "region", tabindex: "0", "aria-labelledby": label },
        h("table", { class: "differences" }, h("caption", { id: label }, "The first differences"),
            h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
            differences.map(bodyOf)));
}

function bodyOf(difference) {
    const made = JSON.stringify(difference.old) === JSON.stringify(difference.new) ? [] : [[h("span", { class: "muted" }, "all rows"), madeOf(difference.old), madeOf(difference.new)]];
    const columns = difference.columns.map((one) => [h("code", {}, one.column), valueOf(one.old), valueOf(one.new)]);
    const rows = [...made, ...columns];
    if (rows.length === 0) rows.push([h("span", { class: "muted" }, "–"), null, null]);
    return add(h("tbody"), rows.map((cells, index) => h("tr", {},
        index === 0 && [
            h("th", { scope: "rowgroup", rowspan: rows.length, class: "given" }, code(difference.given)),
            h("td", { rowspan: rows.length }, whatOf(difference), h("span", { class: "hint" }, `worker ${difference.worker}`)),
        ],
        cells.map((cell) => h("td", { class: "value" }, cell)))));
}

function whatOf({ kind, name }) {
    if (kind === "rows") return name === "" ? "its rows" : ["output ", h("code", {}, name)];
    if (kind === "state") return ["state slot ", h("code", {}, name)];
    return kind === "timers" ? "timers" : "something else";
}

/** What a version made of one given row. */
function madeOf({ rows, failed }) {
    return failed ? h("span", { class: "bad-text detail" }, `failed: ${failed}`) : format.plural(rows, "row");
}

function valueOf(value) {
    return value === null || value === undefined ? h("span", { class: "muted" }, "nothing") : code(value);
}

function code(text) {
    const isLong = text.length > VALUE_CHARS_MAX;
    return h("code", { title: isLong ? text.slice(0, TITLE_CHARS_MAX) : null }, isLong ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text);
}
