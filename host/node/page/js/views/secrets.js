// Secrets: their names, and when they were set. A value is sent once, and never shown.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { confirm, dialog } from "../dialog.js";
import * as notices from "../notices.js";
import { button, empty, field, panel, time } from "../parts.js";
import * as session from "../session.js";
import { viewHead } from "../shell.js";
import { table } from "../table.js";

export async function secretsView({ root, signal, tenant }) {
    const isAdmin = session.allows("admin");
    const content = h("div");
    const set = isAdmin && button("Set a secret…", () => ask(""), { kind: "primary" });
    put(root, viewHead("Secrets", { actions: set }), panel("Secrets of the tenant", { hint: "A job file names one as ${secret:NAME}. Values are encrypted, and never shown again." }, content));
    const list = table({
        caption: "Secrets of the tenant",
        key: (secret) => secret.name,
        columns: [
            { head: "Secret", text: (one) => one.name, node: (one) => h("code", {}, one.name) },
            { head: "In a job file", text: (one) => `\${secret:${one.name}}`, node: (one) => h("code", {}, `\${secret:${one.name}}`) },
            { head: "Last set", text: (one) => one.set_ms, node: (one) => time(one.set_ms) },
            ...(isAdmin ? [{
                head: "", text: (one) => one.name,
                node: (one) => h("span", { class: "actions" }, button("Set…", () => ask(one.name), { "aria-label": `Set ${one.name} anew` }), button("Delete…", () => remove(one.name), { "aria-label": `Delete ${one.name}` })),
            }] : []),
        ],
    });
    await load();

    async function load() {
        const secrets = await api.all(api.of(tenant, "secrets"), signal);
        if (secrets.length === 0) return put(content, empty(isAdmin ? "There are no secrets yet. Set one here, or with the program, which reads the value from its input:" : "There are no secrets yet. An admin of the tenant sets them:", "flowgate secret set NAME"));
        if (list.element.parentNode !== content) put(content, list.element);
        list.update(secrets);
    }

    async function ask(known) {
        const name = h("input", { type: "text", value: known, readonly: known !== "", required: true, autocomplete: "off", spellcheck: "false", pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]{0,62}" });
        const value = h("input", { type: "password", required: true, autocomplete: "new-password", spellcheck: "false", autofocus: known !== "" });
        await dialog({
            title: known ? `Set ${known} anew` : "Set a secret",
            body: [field("Name", name, "Letters, digits, - and _."), field("Value", value, "It is encrypted, and never shown again. Jobs have it from their next attempt on.")],
            action: "Set the secret",
            ready: () => name.checkValidity() && value.value !== "",
            submit: async () => {
                await api.put(api.of(tenant, "secrets", name.value), { value: value.value });
                notices.done(`The secret ${name.value} was set.`);
                await load();
            },
        });
    }

    async function remove(name) {
        await confirm({
            title: `Delete the secret ${name}`,
            what: ["Its value is gone. Jobs that name it run on until their next attempt, and then fail to start."],
            action: "Delete the secret",
            danger: true,
            submit: async () => {
                await api.remove(api.of(tenant, "secrets", name));
                notices.done(`The secret ${name} was deleted.`);
                await load();
            },
        });
    }
}
