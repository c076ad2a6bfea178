// The tenants of a node, for its admins.

import * as api from "../api.js";
import { h, put, say } from "../dom.js";
import { confirm, dialog } from "../dialog.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { button, empty, field, panel, time } from "../parts.js";
import { poll } from "../poll.js";
import { go, href } from "../router.js";
import * as session from "../session.js";
import { loadTenants, viewHead } from "../shell.js";
import { table } from "../table.js";

const ASK_MS = 5_000;

export async function tenantsView({ root, signal }) {
    if (!session.ofNode()) return go("#/");
    const isAdmin = session.allows("admin");
    const summary = h("p", { class: "muted" });
    const content = h("div");
    put(root, viewHead("Tenants", { beside: summary, actions: isAdmin && button("Create a tenant…", create, { kind: "primary" }) }), panel("Tenants of the node", {}, content));
    const list = tenantTable(isAdmin && remove);
    await poll(load, ASK_MS, signal, (error) => { put(content, notices.inPlace(error)); return true; });

    async function load() {
        const tenants = await api.all("/api/v1/tenants", signal);
        const used = await Promise.all(tenants.map((tenant) => api.get(api.of(tenant.name, "usage"), signal).catch(() => null)));
        say(summary, tenants.length === 0 ? "" : format.plural(tenants.length, "tenant"));
        if (tenants.length === 0) return put(content, empty("There are no tenants yet. Everything belongs to one: create the first.", "flowgate tenant create acme"));
        if (list.element.parentNode !== content) put(content, list.element);
        list.update(tenants.map((tenant, index) => ({ ...tenant, usage: used[index] })));
    }

    async function create() {
        const name = h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]{0,62}" });
        const made = await dialog({
            title: "Create a tenant",
            body: [field("Name", name, "Letters, digits, - and _, a letter or digit first."), h("p", { class: "muted" }, "It has the default quotas, and nothing is granted. Both can be changed.")],
            action: "Create the tenant",
            ready: () => name.checkValidity(),
            submit: () => api.post("/api/v1/tenants", { name: name.value }),
        });
        if (!made) return;
        await loadTenants().catch(notices.problem);
        notices.done(`The tenant ${made.name} was created. Create a token for it next.`);
        go(href(["t", made.name, "tokens"]));
    }

    async function remove(name) {
        const gone = await confirm({
            title: `Delete the tenant ${name}`,
            what: ["Its tokens, secrets, plugins and quotas are removed. The node refuses while the tenant has jobs: delete them first.", "This cannot be taken back."],
            action: "Delete the tenant",
            danger: true,
            name,
            submit: () => api.remove(api.of(name)),
        });
        if (!gone) return;
        notices.done(`The tenant ${name} was deleted.`);
        await loadTenants().then(() => load()).catch(notices.problem);
    }
}

function tenantTable(remove) {
    const of = (one, field, unit) => one.usage ? `${format.quantity(one.usage[field], unit)} of ${format.quantity(one.quotas[field], unit)}` : "–";
    return table({
        caption: "Tenants of the node",
        key: (tenant) => tenant.name,
        columns: [
            { head: "Tenant", text: (one) => one.name, node: (one) => h("a", { class: "strong", href: href(["t", one.name, "jobs"]) }, one.name) },
            { head: "Jobs that run", number: true, text: (one) => of(one, "jobs", "jobs") },
            { head: "Workers", number: true, text: (one) => of(one, "workers", "workers") },
            { head: "Memory", number: true, text: (one) => of(one, "memory_bytes", "bytes") },
            { head: "Checkpoints", number: true, text: (one) => of(one, "checkpoint_bytes", "bytes") },
            { head: "Plugins", number: true, text: (one) => of(one, "plugins", "versions") },
            { head: "Created", text: (one) => one.created_ms, node: (one) => time(one.created_ms) },
            {
                head: "", text: (one) => one.name,
                node: (one) => h("span", { class: "actions" }, h("a", { class: "button", href: href(["t", one.name, "quotas"]), "aria-label": `Quotas of ${one.name}` }, "Quotas"), remove && button("Delete…", () => remove(one.name), { "aria-label": `Delete ${one.name}` })),
            },
        ],
    });
}
