// The plugins of a tenant: every name with its newest version; a push by a chosen or dropped file.

import * as api from "../api.js";
import { h, put, say } from "../dom.js";
import * as format from "../format.js";
import { icon } from "../icons.js";
import * as notices from "../notices.js";
import { empty, field, panel, time, waiting } from "../parts.js";
import { poll } from "../poll.js";
import { href } from "../router.js";
import * as session from "../session.js";
import { viewHead } from "../shell.js";
import { table } from "../table.js";

const ASK_MS = 10_000;

export async function pluginsView({ root, signal, tenant }) {
    const summary = h("p", { class: "muted" });
    const content = h("div");
    put(root, viewHead("Plugins", { beside: summary }), session.allows("operator") && pushForm(tenant, load), panel("Plugins of the tenant", {}, content));
    const list = table({
        caption: "Plugins of the tenant",
        key: (plugin) => plugin.name,
        columns: [
            { head: "Plugin", text: (one) => one.name, node: (one) => h("a", { class: "strong", href: href(["t", tenant, "plugins", one.name]) }, one.name) },
            { head: "Newest", text: (one) => `${one.name}@${one.version}` },
            { head: "Versions", number: true, text: (one) => one.versions },
            { head: "Functions", wide: true, text: (one) => one.functions.map((fn) => fn.name).join(", ") },
            { head: "Size", number: true, text: (one) => format.bytes(one.size_bytes) },
            { head: "Pushed", text: (one) => one.pushed_ms, node: (one) => time(one.pushed_ms) },
            { head: "By", text: (one) => one.pushed_by },
            { head: "SHA-256", text: (one) => one.digest, node: (one) => h("code", { title: one.digest }, format.digest(one.digest)) },
        ],
    });
    await poll(load, ASK_MS, signal, (error) => { put(content, notices.inPlace(error)); return true; });

    async function load() {
        const versions = await api.all(api.of(tenant, "plugins"), signal);
        const newest = new Map();
        for (const one of versions) {
            const known = newest.get(one.name);
            const count = (known?.versions ?? 0) + 1;
            newest.set(one.name, { ...(known && known.version > one.version ? known : one), versions: count });
        }
        say(summary, newest.size === 0 ? "" : `${format.plural(newest.size, "plugin")}, ${format.plural(versions.length, "version")}`);
        if (newest.size === 0) return put(content, empty("There are no plugins yet. Build a component and push it:", "flowgate plugin push sensors.wasm"));
        if (list.element.parentNode !== content) put(content, list.element);
        list.update([...newest.values()].sort((a, b) => a.name.localeCompare(b.name)));
    }
}

function pushForm(tenant, load) {
    let file = null;
    const chosen = h("span", {}, "Drop a component (.wasm) here, or ");
    const input = h("input", { type: "file", accept: ".wasm,application/wasm", class: "unseen", id: "component", on: { change: () => take(input.files[0]) } });
    const name = h("input", { type: "text", autocomplete: "off", spellcheck: "false", pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]{0,62}", on: { input: show } });
    const push = h("button", { type: "submit", class: "primary" }, "Push");
    const result = h("div", { "aria-live": "polite" });
    const drop = h("div", { class: "drop", on: { dragover: over, dragleave: out, drop: dropped } }, icon("upload"), chosen, input, h("label", { class: "button", for: "component" }, "Choose a file"));
    const form = h("form", { on: { submit } }, drop, h("div", { class: "filters" }, field("Name of the plugin", name, "Letters, digits, - and _. A name that exists gets a new version."), push), result);
    show();
    return panel("Push a plugin", {}, form);

    function take(now) {
        if (!now) return;
        file = now;
        say(chosen, `${file.name}, ${format.bytes(file.size)} `);
        if (!name.value) name.value = file.name.replace(/\.wasm$/i, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 63);
        put(result);
        show();
    }

    function show() {
        push.disabled = !file || !name.value || !name.checkValidity();
    }

    function over(event) {
        event.preventDefault();
        drop.classList.add("over");
    }

    function out() {
        drop.classList.remove("over");
    }

    function dropped(event) {
        event.preventDefault();
        out();
        take(event.dataTransfer.files[0]);
    }

    async function submit(event) {
        event.preventDefault();
        push.disabled = true;
        put(result, waiting(`Pushing ${format.bytes(file.size)}, then the node checks and compiles the component`));
        try {
            const version = await api.upload(api.of(tenant, "plugins", name.value), file);
            put(result, h("div", { class: "outcome good" }, h("p", { class: "strong" }, icon("check"), `${version.name}@${version.version} is pushed`),
                h("p", {}, `${version.functions.map((fn) => fn.name).join(", ")} · ${version.compile_ms > 0 ? `compiled in ${format.duration(version.compile_ms)}` : "compiled before"}. `,
                    h("a", { href: href(["t", tenant, "plugins", version.name]) }, "Show it"))));
            file = null;
            input.value = "";
            name.value = "";
            say(chosen, "Drop a component (.wasm) here, or ");
            await load();
        } catch (error) {
            put(result, notices.inPlace(error));
        }
        show();
    }
}
