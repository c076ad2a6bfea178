// What became of a swap or of its dry run.

import { h } from "../dom.js";
import * as format from "../format.js";
import { icon } from "../icons.js";
import { facts } from "../parts.js";

const OUTCOMES = { pending: ["info", "pending"], done: ["good", "done"], refused: ["bad", "refused"], rolled_back: ["warn", "rolled back"], back: ["good", "back"] };
const FAILURES_SHOWN = 20;

/** The outcome of a swap as a mark. */
export function outcomeMark(outcome) {
    const [tone, word] = OUTCOMES[outcome] ?? ["quiet", outcome];
    return h("span", { class: `mark ${tone}` }, word);
}

/** The result of a dry run: what it was tried on, the state that is kept, notes and problems. */
export function dryRunBox(result, wanted) {
    const { problems, kept, notes, failures, checkpoint, warnings, migrated } = result ?? {};
    const isGood = (problems ?? []).length === 0;
    return h("div", { class: `outcome ${isGood ? "good" : "bad"}` },
        h("p", { class: "strong" }, icon(isGood ? "check" : "alert"), isGood
            ? `The dry run has found no problem: ${wanted.operator} can get ${wanted.plugin}.`
            : `The job would not take ${wanted.plugin}: ${format.plural(problems.length, "problem")}.`),
        warnings && h("pre", { class: "detail" }, warnings),
        facts([
            ["Tried on", checkpoint && h("code", { title: checkpoint }, checkpoint.split("/").at(-1))],
            ["State values migrated", typeof migrated === "number" && format.count(migrated)],
            ...(kept ?? []).map((one) => [`Kept of ${one.operator}`, format.plural(one.rows, "row")]),
        ]),
        listOf("Problems", problems), listOf("Notes", notes), listOf("The first failures", failures?.slice(0, FAILURES_SHOWN)));
}

function listOf(title, entries) {
    return entries?.length > 0 && h("div", {}, h("p", { class: "strong" }, title), h("ul", { class: "warnings" }, entries.map((entry) => h("li", { class: "detail" }, typeof entry === "string" ? entry : JSON.stringify(entry)))));
}

/** The result of a swap. */
export function swapResult(swap) {
    if (!swap?.outcome) return h("div", { class: "outcome good" }, h("p", { class: "strong" }, icon("check"), "Done."));
    const tone = OUTCOMES[swap.outcome]?.[0] ?? "info";
    return h("div", { class: `outcome ${tone}` },
        h("p", { class: "strong" }, icon(tone === "good" ? "check" : "alert"), `${swap.operator}: ${swap.from} → ${swap.to} `, outcomeMark(swap.outcome)),
        facts([
            ["Gap, the longest of all workers", swap.gap_us !== undefined && format.duration(swap.gap_us / 1000)],
            ["State values migrated", swap.migrated !== undefined && format.count(swap.migrated)],
            ["Savepoint", swap.savepoint && h("code", { title: swap.savepoint }, swap.savepoint.split("#").at(-1))],
            ["Reason", swap.reason && h("span", { class: "detail" }, swap.reason)],
        ]));
}
