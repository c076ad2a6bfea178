// Tokens of a tenant, and of the node. The text of a new one is shown once.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { confirm, dialog, show } from "../dialog.js";
import * as notices from "../notices.js";
import { button, copied, empty, field, panel, select, time } from "../parts.js";
import * as session from "../session.js";
import { viewHead } from "../shell.js";
import { table } from "../table.js";

const DAY_S = 86_400;
const LIVES = [[String(DAY_S), "1 day"], [String(30 * DAY_S), "30 days"], [String(90 * DAY_S), "90 days"], [String(365 * DAY_S), "1 year"], ["", "never"]];
const ROLES = [["viewer", "viewer: sees everything but values of secrets"], ["operator", "operator: also pushes plugins; submits, stops, swaps and deletes jobs"], ["admin", "admin: also manages tokens and secrets"]];

export function tokensView({ root, signal, tenant }) {
    return draw({ root, signal, title: "Tokens", of: `the tenant ${tenant}`, path: (...parts) => api.of(tenant, "tokens", ...parts), command: "flowgate token create NAME --role operator" });
}

export function nodeTokensView({ root, signal }) {
    const path = (...parts) => ["/api/v1/tokens", ...parts.map(encodeURIComponent)].join("/");
    return draw({ root, signal, title: "Node tokens", of: "the node: they see every tenant", path, command: "flowgate token create NAME --role admin --of-node" });
}

async function draw({ root, signal, title, of, path, command }) {
    const content = h("div");
    put(root, viewHead(title, { actions: button("Create a token…", create, { kind: "primary" }) }), panel(`Tokens of ${of}`, { hint: "The node keeps a hash of each alone." }, content));
    const list = table({
        caption: `Tokens of ${of}`,
        key: (token) => token.id,
        columns: [
            { head: "Name", text: (one) => one.name, node: (one) => h("strong", {}, one.name) },
            { head: "Role", text: (one) => one.role },
            { head: "Id", text: (one) => one.id, node: (one) => h("code", {}, one.id) },
            { head: "Created", text: (one) => one.created_ms, node: (one) => time(one.created_ms) },
            { head: "Expires", text: (one) => one.expires_ms ?? "never", node: (one) => one.expires_ms ? time(one.expires_ms) : "never" },
            { head: "", text: (one) => one.id, node: (one) => button("Delete…", () => remove(one), { "aria-label": `Delete the token ${one.name}` }) },
        ],
    });
    await load();

    async function load() {
        const tokens = await api.all(path(), signal);
        if (tokens.length === 0) return put(content, empty("There are no tokens. Create one for each person and machine:", command));
        if (list.element.parentNode !== content) put(content, list.element);
        list.update(tokens);
    }

    async function create() {
        const name = h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", maxlength: 63 });
        const role = select(ROLES, "viewer", null);
        const life = select(LIVES, String(90 * DAY_S), null);
        const made = await dialog({
            title: "Create a token",
            body: [field("Name", name, "What to recognise it by, such as the person or the machine that has it."), field("Role", role), field("Expires after", life)],
            action: "Create the token",
            ready: () => name.checkValidity(),
            submit: () => api.post(path(), { name: name.value, role: role.value, ...(life.value ? { expires_in_s: Number(life.value) } : {}) }),
        });
        if (!made) return;
        await show({
            title: `Token ${made.name}`,
            body: [h("p", {}, h("strong", {}, "It is shown this once."), " Copy it now: the node keeps only a hash of it."), copied(made.text, "Token"), h("p", { class: "muted" }, "Sign in with it:"), copied(`flowgate login ${location.origin}`, "Command")],
        });
        await load().catch(notices.problem);
    }

    async function remove(token) {
        const own = token.name === session.whoami().token;
        await confirm({
            title: `Delete the token ${token.name}`,
            what: ["Whoever has it can do nothing with it from now on. Jobs that were submitted with it run on.", own && "A token of this name is the one that this page uses."].filter(Boolean),
            action: "Delete the token",
            danger: true,
            submit: async () => {
                await api.remove(path(token.id));
                notices.done(`The token ${token.name} was deleted.`);
                await load();
            },
        });
    }
}
