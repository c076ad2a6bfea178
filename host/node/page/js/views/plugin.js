// One plugin: its versions, and the functions of the newest or of a chosen one.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { confirm } from "../dialog.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { button, facts, panel, time } from "../parts.js";
import { go, href } from "../router.js";
import * as session from "../session.js";
import { viewHead } from "../shell.js";
import { table } from "../table.js";

export async function pluginView({ root, signal, tenant, name, query }) {
    const address = (version) => href(["t", tenant, "plugins", name], { version });
    const detail = h("div", { class: "section" });
    const list = versionTable(address, remove);
    put(root, viewHead(name, { trail: [["Plugins", href(["t", tenant, "plugins"])]] }), detail, panel("Versions", {}, list.element));
    await load();

    async function load() {
        const versions = (await api.all(api.of(tenant, "plugins", name), signal)).sort((a, b) => b.version - a.version);
        if (versions.length === 0) return go(href(["t", tenant, "plugins"]));
        const chosen = versions.find((one) => String(one.version) === query.get("version")) ?? versions[0];
        list.update(versions.map((one) => ({ ...one, chosen: one.version === chosen.version })));
        put(detail, versionPanel(chosen), functionsPanel(chosen));
    }

    async function remove(one) {
        const title = `${one.name}@${one.version}`;
        const gone = await confirm({
            title: `Delete ${title}`,
            what: ["The component is removed from the registry. The node refuses it while a job uses this version.", "Its number is never used again. This cannot be taken back: keep the component if it may be needed."],
            action: "Delete the version",
            danger: true,
            submit: () => api.remove(api.of(tenant, "plugins", one.name, String(one.version))),
        });
        if (!gone) return;
        notices.done(`${title} was deleted.`);
        await load().catch((error) => error.status === 404 ? go(href(["t", tenant, "plugins"])) : notices.problem(error));
    }
}

function versionPanel(one) {
    return panel(`${one.name}@${one.version}`, {}, facts([
        ["SHA-256", h("code", { class: "detail" }, one.digest)],
        ["Size", format.bytes(one.size_bytes)],
        ["Pushed", [time(one.pushed_ms), ` by ${one.pushed_by}`]],
        ["Contract", one.contract],
        ["Compilation", one.compile_ms > 0 ? format.duration(one.compile_ms) : "compiled before"],
        ["Imports", [format.interfaces(one.imports), one.imports.some((name) => name.startsWith("flowgate:plugin/files@"))
            && h("span", { class: "muted" }, " (files: those that the job grants by name, and the policy of the tenant by path)")]],
    ]));
}

function functionsPanel(one) {
    return panel("Functions", {}, one.functions.map((fn) => h("article", { class: "function" },
        h("h3", {}, h("code", {}, fn.name), " ", h("span", { class: "mark quiet" }, fn.kind)),
        fn.doc && h("p", { class: "detail" }, fn.doc),
        fn.columns.length > 0 && h("p", {}, h("span", { class: "muted" }, "Always reads "), h("code", {}, fn.columns.join(", "))),
        fn.config_schema
            ? h("details", { class: "more" }, h("summary", {}, "Config (JSON Schema)"), h("pre", { tabindex: "0" }, JSON.stringify(fn.config_schema, null, 2)))
            : h("p", { class: "muted" }, "It takes no config."))));
}

function versionTable(address, remove) {
    return table({
        caption: "Versions, newest first",
        key: (one) => one.version,
        rowClass: (one) => one.chosen ? "chosen" : null,
        columns: [
            { head: "Version", text: (one) => `${one.name}@${one.version}`, node: (one) => h("a", { class: "strong", href: address(one.version) }, `${one.name}@${one.version}`) },
            { head: "Pushed", text: (one) => one.pushed_ms, node: (one) => time(one.pushed_ms) },
            { head: "By", text: (one) => one.pushed_by },
            { head: "Size", number: true, text: (one) => format.bytes(one.size_bytes) },
            { head: "Contract", text: (one) => one.contract },
            { head: "Imports", text: (one) => format.interfaces(one.imports) },
            { head: "SHA-256", text: (one) => one.digest, node: (one) => h("code", { title: one.digest }, format.digest(one.digest)) },
            ...(session.allows("operator") ? [{ head: "", text: (one) => one.version, node: (one) => button("Delete…", () => remove(one), { "aria-label": `Delete ${one.name}@${one.version}` }) }] : []),
        ],
    });
}
