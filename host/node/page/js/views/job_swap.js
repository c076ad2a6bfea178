// Plugins of a job, and the swap: a dry run first, perhaps a canary, then the swap itself; what was swapped before; the way back.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { confirm } from "../dialog.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { followIn } from "../operations.js";
import { button, empty, field, offer, panel, select, time } from "../parts.js";
import { poll } from "../poll.js";
import { href, note } from "../router.js";
import * as session from "../session.js";
import { table } from "../table.js";
import { canaryOf } from "./job_canary.js";
import { dryRunBox, outcomeMark, swapResult } from "./swap_result.js";

const ASK_MS = 5_000;

export function swapSection(view) {
    const { root, signal, tenant, name, path } = view;
    const used = usedTable(tenant);
    const usedBox = h("div");
    const formBox = h("div");
    const historyBox = h("div");
    const rollBack = button("Roll back…", goBack);
    const canary = canaryOf(view, () => form?.show());
    const may = session.allows("operator");
    put(root, panel("Plugins", {}, usedBox), may && formBox, canary.element, panel("Swaps", { actions: may && rollBack }, historyBox, h("div", { class: "result" })));
    const rollBackResult = root.querySelector(".result");
    const list = swapTable();
    let form = null;
    rollBack.disabled = true;
    poll(load, ASK_MS, signal);
    let swaps = [];

    return (detail) => {
        if (detail.plugins.length === 0) {
            put(usedBox, empty("The job uses no plugins: there is nothing to swap."));
            put(formBox);
        } else if (used.element.parentNode !== usedBox) {
            put(usedBox, used.element);
            form = swapForm({ ...view, load, canary });
            put(formBox, form.element);
        }
        used.update(detail.plugins);
        form?.update(detail);
        rollBack.disabled = detail.phase !== "running" || !swaps.some((swap) => swap.outcome === "done");
    };

    async function load() {
        swaps = await api.all(path("swaps"), signal);
        if (swaps.length === 0) return put(historyBox, empty("Nothing was swapped yet. Push a new version, then swap it in here or by the program:", `flowgate job swap ${name} OPERATOR PLUGIN@VERSION --dry-run`));
        if (list.element.parentNode !== historyBox) put(historyBox, list.element);
        list.update(swaps);
    }

    async function goBack() {
        const last = swaps.find((swap) => swap.outcome === "done");
        await confirm({
            title: `Roll back ${last.operator}`,
            what: [`${last.operator} runs ${last.to}, and gets ${last.from} again, at one boundary on all workers. Its state goes with it; it is migrated back where the versions differ.`, "The job goes on meanwhile. No row is lost or processed twice."],
            action: "Roll back",
            submit: async () => {
                const operation = await api.post(path("rollback"));
                followIn(rollBackResult, tenant, operation, signal)
                    .then((result) => { notices.done(`${last.operator} runs ${last.from} again.`); put(rollBackResult, swapResult(result)); return load(); })
                    .catch(notices.problem);
            },
        });
    }
}

/** The form of a swap. The swap is open once a dry run of the same choice has found no problem. */
function swapForm({ signal, tenant, path, query, load, canary }) {
    let versions = [];
    let running = null;
    let proven = null;
    let busy = false;
    const operator = select([], query.get("operator") ?? "", () => { offerVersions(); forget(); });
    const version = select([], "", forget);
    const drop = h("input", { type: "text", placeholder: "operator/slot, operator/slot", spellcheck: "false", autocomplete: "off", on: { input: forget } });
    const over = h("input", { type: "number", min: 0, max: 100, step: "any", placeholder: "never" });
    const result = h("div", { class: "result", "aria-live": "polite" });
    const dry = button("Dry run", () => run(true), { kind: "primary" });
    const beside = button("Canary…", () => canary.begin(choice(), runsNow()));
    const swap = button("Swap", () => run(false));
    const needs = h("p", { class: "muted" });
    const element = panel("Swap a function", { hint: "The job goes on. The function changes at one boundary on all workers, and keeps its state." },
        h("div", { class: "form-grid" },
            field("Operator", operator), field("Version that it gets", version),
            field("Drop state slots", drop, "Slots that the new version does not have."),
            field("Take back over, %", over, "Of rows that fail in the first minute. Empty: it stays.")),
        h("div", { class: "actions start" }, dry, beside, swap, needs), result);
    api.all(api.of(tenant, "plugins"), signal).then((all) => { versions = all; offerVersions(); show(); }).catch(notices.problem);
    show();
    return { element, update, show };

    function update(detail) {
        const now = JSON.stringify([detail.plugins, detail.phase]);
        if (now === running?.key) return;
        const names = [...new Set(detail.plugins.map((one) => one.operator))];
        running = { key: now, plugins: detail.plugins, isRunning: detail.phase === "running" };
        offer(operator, names, operator.value || query.get("operator") || names[0]);
        offerVersions();
        show();
    }

    function runsNow() {
        return running?.plugins.find((one) => one.operator === operator.value)?.version;
    }

    /** Versions of the operator's own plugin first, newest first; then those of others. */
    function offerVersions() {
        const now = runsNow();
        const own = now?.split("@")[0];
        const sorted = [...versions].sort((a, b) => (b.name === own) - (a.name === own) || a.name.localeCompare(b.name) || b.version - a.version);
        const texts = sorted.map((one) => [`${one.name}@${one.version}`, `${one.name}@${one.version}${`${one.name}@${one.version}` === now ? " (runs now)" : ""}`]);
        offer(version, texts, version.value || texts.find(([key]) => key !== now)?.[0]);
    }

    function choice() {
        const dropped = drop.value.split(",").map((text) => text.trim()).filter(Boolean);
        return { operator: operator.value, plugin: version.value, drop: dropped };
    }

    /** A dry run holds for one choice alone. */
    function forget() {
        proven = null;
        put(result);
        show();
    }

    function show() {
        const can = running !== null && version.value !== "" && version.value !== runsNow();
        dry.disabled = busy || !can;
        beside.disabled = busy || !can || !running.isRunning || canary.isRunning();
        swap.disabled = busy || !can || proven !== JSON.stringify(choice());
        swap.className = proven ? "primary" : "";
        dry.className = proven ? "" : "primary";
        put(needs, version.value === "" ? ["Push a version first: ", h("a", { href: href(["t", tenant, "plugins"]) }, "Plugins")] : version.value === runsNow() ? "The operator runs with this version."
            : canary.isRunning() ? "A canary runs. A swap would end it."
            : !proven ? "A swap follows a dry run that has found no problem."
            : running?.isRunning ? null : "The job does not run: its next attempt begins with the new version.");
    }

    async function run(isDry) {
        const wanted = choice();
        const body = isDry ? { ...wanted, dry_run: true } : { ...wanted, rollback_over: over.value === "" ? undefined : Number(over.value) / 100 };
        busy = true;
        show();
        note({ operator: wanted.operator });
        try {
            const outcome = await followIn(result, tenant, await api.post(path("swaps"), body, signal), signal);
            if (isDry) {
                const isGood = (outcome?.problems ?? []).length === 0;
                proven = isGood ? JSON.stringify(wanted) : null;
                put(result, dryRunBox(outcome, wanted));
            } else {
                put(result, swapResult(outcome));
                proven = null;
            }
        } catch (error) {
            if (signal.aborted) return;
            put(result, notices.inPlace(error));
        }
        busy = false;
        show();
        if (!isDry) load().catch(notices.problem);
    }
}

function usedTable(tenant) {
    return table({
        caption: "Plugins that the job runs with",
        key: (one) => `${one.operator}\n${one.plugin}`,
        columns: [
            { head: "Operator", text: (one) => one.operator },
            { head: "Plugin in the document", text: (one) => one.plugin },
            { head: "Version", text: (one) => one.version, node: (one) => h("a", { class: "strong", href: href(["t", tenant, "plugins", one.version.split("@")[0]]) }, one.version) },
            { head: "SHA-256", text: (one) => one.digest, node: (one) => h("code", { title: one.digest }, format.digest(one.digest)) },
        ],
    });
}

function swapTable() {
    return table({
        caption: "Swaps, newest first",
        key: (swap) => swap.number,
        columns: [
            { head: "Number", number: true, text: (swap) => swap.number },
            { head: "When", text: (swap) => swap.at_ms, node: (swap) => time(swap.at_ms) },
            { head: "By", text: (swap) => swap.by },
            { head: "Operator", text: (swap) => swap.operator },
            { head: "From", text: (swap) => swap.from },
            { head: "To", text: (swap) => swap.to },
            { head: "Outcome", text: (swap) => swap.outcome, node: (swap) => outcomeMark(swap.outcome) },
            { head: "Gap", number: true, text: (swap) => swap.gap_us === undefined ? "–" : format.duration(swap.gap_us / 1000) },
            { head: "Migrated", number: true, text: (swap) => swap.migrated === undefined ? "–" : format.count(swap.migrated) },
            { head: "Reason", wide: true, text: (swap) => swap.reason ?? "" },
        ],
    });
}

