// What a tenant may take, what it takes, and what its jobs may touch.

import * as api from "../api.js";
import { h, put, s } from "../dom.js";
import { dialog } from "../dialog.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { button, empty, facts, field, panel, time } from "../parts.js";
import { poll } from "../poll.js";
import * as session from "../session.js";
import { viewHead } from "../shell.js";
import { table } from "../table.js";

const ASK_MS = 3_000;
/** From which share on a quota is nearly used up. */
const NEAR = 0.8;
const GRANTS = [
    ["connectors", "Connectors", "Names or patterns. Those that touch nothing need no grant: generator, nexmark, blackhole, print."],
    ["read", "Files and folders that may be read", "Absolute paths or patterns."],
    ["write", "Files and folders that may be written", "Absolute paths or patterns."],
    ["connect", "Targets of connections", "HOST:PORT, such as *.example.com:443. A private or loopback address has to be named itself."],
];

export async function quotasView({ root, signal, tenant: name }) {
    const about = await api.get("/api/v1/quotas", signal);
    let tenant = await api.get(api.of(name), signal);
    const canChange = session.ofNode() && session.allows("admin");
    const used = h("div");
    const list = quotaTable();
    const grants = h("div");
    put(root, viewHead("Quotas and grants", { beside: h("p", { class: "muted" }, `Tenant ${name}, created `, time(tenant.created_ms)) }),
        panel("Quotas", { actions: canChange && button("Change quotas…", changeQuotas), hint: canChange ? null : "An admin of the node changes them." }, used, list.element),
        panel("Grants", { actions: canChange && button("Change grants…", changeGrants), hint: "What the jobs of the tenant may touch outside of themselves. Nothing but this." }, grants));
    let usage = {};
    await poll(load, ASK_MS, signal, (error) => { notices.problem(error); return true; });

    async function load() {
        usage = await api.get(api.of(name, "usage"), signal);
        show();
    }

    function show() {
        put(used, facts([["Memory in use now", format.bytes(usage.memory_used_bytes)], ["Processor time of the present attempts", format.duration(usage.cpu_ms)]]));
        list.update(about.map((one) => ({ ...one, limit: tenant.quotas[one.name], used: usage[one.name] })));
        const given = GRANTS.filter(([key]) => tenant.grants[key].length > 0);
        put(grants, given.length === 0
            ? empty("Nothing is granted: jobs may use the connectors that touch nothing.", canChange ? `flowgate tenant set ${name} --grant-connect HOST:PORT` : null)
            : facts(given.map(([key, title]) => [title, h("ul", { class: "plain-list" }, tenant.grants[key].map((text) => h("li", {}, h("code", {}, text))))])));
    }

    async function changeQuotas() {
        const inputs = about.map((one) => [one, h("input", { type: "number", min: 0, step: one.unit === "cores" ? "any" : 1, required: true, value: String(tenant.quotas[one.name]) })]);
        await dialog({
            title: `Quotas of ${name}`,
            body: [h("p", {}, "Running jobs have them from their next attempt on."), h("div", { class: "form-grid" }, inputs.map(([one, input]) => field(`${one.name}, ${one.unit}`, input, `${one.what} Default: ${format.quantity(one.default, one.unit)}.`)))],
            action: "Change quotas",
            ready: () => inputs.every(([, input]) => input.checkValidity()),
            submit: async () => {
                const quotas = Object.fromEntries(inputs.map(([one, input]) => [one.name, Number(input.value)]));
                tenant = await api.patch(api.of(name), { quotas });
                notices.done(`The quotas of ${name} were changed.`);
                show();
            },
        });
    }

    async function changeGrants() {
        const inputs = GRANTS.map(([key, title, hint]) => [key, h("textarea", { rows: 3, spellcheck: "false", value: tenant.grants[key].join("\n") }), title, hint]);
        await dialog({
            title: `Grants of ${name}`,
            body: [h("p", {}, "One a line. Jobs have them from their next attempt on."), inputs.map(([, input, title, hint]) => field(title, input, hint))],
            action: "Change grants",
            submit: async () => {
                const lines = (input) => input.value.split("\n").map((text) => text.trim()).filter(Boolean);
                tenant = await api.patch(api.of(name), { grants: Object.fromEntries(inputs.map(([key, input]) => [key, lines(input)])) });
                notices.done(`The grants of ${name} were changed.`);
                show();
            },
        });
    }
}

function quotaTable() {
    const share = (one) => one.used === undefined || !one.limit ? null : one.used / one.limit;
    const usedText = (one) => one.used === undefined ? "" : format.quantity(one.used, one.unit);
    return table({
        caption: "Quotas: the limit, and what the tenant takes of it",
        key: (one) => one.name,
        columns: [
            { head: "Quota", text: (one) => one.name, node: (one) => h("code", {}, one.name) },
            {
                head: "Used", text: (one) => `${usedText(one)} ${share(one)}`,
                node: (one) => one.used === undefined ? h("span", { class: "muted", title: "It is a limit of each job or request." }, "–") : h("span", { class: "used" }, bar(share(one)), h("span", { class: share(one) >= NEAR ? "warn-text" : null }, usedText(one), share(one) >= 1 ? " (used up)" : "")),
            },
            { head: "Limit", number: true, text: (one) => format.quantity(one.limit, one.unit) },
            { head: "Unit", text: (one) => one.unit },
            { head: "What is counted", wide: true, text: (one) => one.what },
            { head: "At the limit", wide: true, text: (one) => one.at_limit },
        ],
    });
}

/** A bar of a share. It is an ornament: the figures are beside it. */
function bar(share) {
    const width = Math.max(0, Math.min(1, share ?? 0)) * 80;
    return s("svg", { class: `bar-of ${share >= NEAR ? "near" : ""}`, viewBox: "0 0 80 6", "aria-hidden": "true", focusable: "false" },
        s("rect", { class: "track", width: 80, height: 6, rx: 3 }), width > 0 && s("rect", { class: "fill", width: Math.max(width, 3).toFixed(1), height: 6, rx: 3 }));
}
