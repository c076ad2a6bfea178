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

/** The result of a dry run. */
export function dryRunBox(result, wanted) {
    const problems = result?.problems ?? [];
    const failures = result?.failures ?? [];
    const isGood = problems.length === 0;
    return h("div", { class: `outcome ${isGood ? "good" : "bad"}` },
        h("p", { class: "strong" }, icon(isGood ? "check" : "alert"), isGood
            ? `The dry run has found no problem: ${wanted.operator} can get ${wanted.plugin}.`
            : `The job would not take ${wanted.plugin}: ${format.plural(problems.length, "problem")}.`),
        result?.text && h("pre", { class: "detail" }, result.text),
        facts([["State values migrated", result?.migrated !== undefined && result?.migrated !== null && format.count(result.migrated)], ["Failures of the migration", failures.length > 0 && format.count(failures.length)]]),
        listOf("Problems", problems), listOf("The first failures", failures.slice(0, FAILURES_SHOWN)));
}

function listOf(title, entries) {
    return entries.length > 0 && h("div", {}, h("p", { class: "strong" }, title), h("ul", { class: "warnings" }, entries.map((entry) => h("li", { class: "detail" }, typeof entry === "string" ? entry : JSON.stringify(entry)))));
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
            ["Savepoint", swap.savepoint && h("code", {}, swap.savepoint)],
            ["Reason", swap.reason && h("span", { class: "detail" }, swap.reason)],
        ]));
}
