// What is around every view: the sign, the tenant, the way to the views, the theme, who is signed in.

import * as api from "./api.js";
import { add, h, put, say } from "./dom.js";
import { icon, sign } from "./icons.js";
import { href, here, go } from "./router.js";
import * as session from "./session.js";
import { select } from "./parts.js";

/** Views of a tenant: path, word, and the role that sees it. */
const VIEWS = [["jobs", "Jobs", "viewer"], ["plugins", "Plugins", "viewer"], ["quotas", "Quotas", "viewer"], ["secrets", "Secrets", "viewer"], ["tokens", "Tokens", "admin"]];

let tenants = [];

/** The tenants that a node admin may choose from. */
export function knownTenants() {
    return tenants;
}

/** Loads them anew. */
export async function loadTenants() {
    if (!session.ofNode()) return;
    tenants = (await api.all("/api/v1/tenants")).map((tenant) => tenant.name);
}

/** Draws the top for a place: `tenant`, and `view`, the name of the view. */
export function drawTop({ tenant, view, signOut }) {
    const top = document.getElementById("top");
    const who = session.whoami();
    if (!who) return put(top, h("div", { class: "bar" }, home(null), h("span", { class: "grow" }), themeButton()));
    put(top,
        h("div", { class: "bar" },
            home(tenant), tenantChoice(tenant, view), h("span", { class: "grow" }),
            h("span", { class: "who", title: `Token ${who.token}, ${who.role}${who.tenant ? ` of ${who.tenant}` : " of the node"}; Flowgate ${who.version}` },
                h("span", { class: "unseen" }, "Signed in with token "), h("span", { class: "who-name" }, who.token), h("span", { class: "muted" }, ` ${who.role}`)),
            themeButton(),
            h("button", { type: "button", on: { click: signOut } }, "Sign out")),
        ways(tenant, view));
}

function home(tenant) {
    return h("a", { class: tenant !== null ? "home small" : "home", href: tenant ? href(["t", tenant, "jobs"]) : "#/" }, sign(), h("span", { class: "word" }, "Flowgate"));
}

function tenantChoice(tenant, view) {
    if (!session.ofNode()) return tenant && h("span", { class: "tenant" }, h("span", { class: "unseen" }, "Tenant "), tenant);
    const names = tenant && !tenants.includes(tenant) ? [tenant, ...tenants] : tenants;
    const options = [["", "All tenants"], ...names.map((name) => [name, name])];
    // Another tenant, the same kind of view: not the same job, which that tenant need not have.
    const change = (name) => go(name ? href(["t", name, VIEWS.some(([path]) => path === view) ? view : "jobs"]) : href(["tenants"]));
    return h("label", { class: "tenant" }, h("span", { class: "unseen" }, "Tenant"), select(options, tenant ?? "", change, {}));
}

function ways(tenant, view) {
    const items = [];
    if (tenant) for (const [path, word, role] of VIEWS) if (session.allows(role)) items.push(way(href(["t", tenant, path]), word, view === path));
    if (session.ofNode()) {
        items.push(way(href(["tenants"]), "Tenants", view === "tenants"));
        if (session.allows("admin")) items.push(way(href(["node-tokens"]), "Node tokens", view === "node-tokens"));
    }
    return h("nav", { class: "ways", "aria-label": "Views" }, h("ul", {}, items));
}

function way(address, word, current) {
    return h("li", {}, h("a", { href: address, "aria-current": current ? "page" : null }, word));
}

function themeButton() {
    const word = h("span", { class: "unseen" });
    const made = h("button", { type: "button", class: "plain", on: { click: () => { session.toggleTheme(); show(); } } });
    show();
    return made;

    function show() {
        const other = session.isDark() ? "light" : "dark";
        say(word, `Change to the ${other} theme`);
        made.title = word.textContent;
        put(made, icon(other), word);
    }
}

/** Sets the title of the document, and moves the focus to the beginning of a new view. */
export function enter(title) {
    document.title = title ? `${title} · Flowgate` : "Flowgate";
}

/** The head of a view: where it is, its name, what can be done. */
export function viewHead(title, { trail = [], beside, actions } = {}) {
    enter([title, ...trail.map(([text]) => text).reverse()].join(" · "));
    const crumbs = trail.length > 0 && h("nav", { class: "trail", "aria-label": "Where this is" },
        h("ol", {}, trail.map(([text, address]) => h("li", {}, h("a", { href: address }, text)))));
    const head = h("div", { class: "view-head" }, crumbs, h("div", { class: "view-title" }, h("h1", {}, title), beside));
    return add(head, actions && h("div", { class: "actions" }, actions));
}

/** The place of the page, for those who only need the tenant. */
export function tenantHere() {
    const { parts } = here();
    return parts[0] === "t" ? parts[1] : null;
}
