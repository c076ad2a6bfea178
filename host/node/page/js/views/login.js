// Signing in: a token, and nothing else.

import { h, put } from "../dom.js";
import * as notices from "../notices.js";
import { copied, field } from "../parts.js";
import { enter } from "../shell.js";
import { sign } from "../icons.js";

export function loginView({ root, why, signIn }) {
    enter("Sign in");
    const token = h("input", { type: "password", name: "token", autocomplete: "current-password", spellcheck: "false", required: true });
    const go = h("button", { type: "submit", class: "primary" }, "Sign in");
    const wrong = h("div", {}, why && h("div", { class: "notice warn inline", role: "alert" }, h("p", {}, why)));
    const form = h("form", { class: "login panel", on: { submit } },
        h("div", { class: "login-head" }, sign(), h("h1", {}, "Sign in to this node")),
        // Browsers keep passwords by a name.
        h("input", { type: "text", name: "username", autocomplete: "username", value: "flowgate", class: "unseen", tabindex: "-1", "aria-hidden": "true", readonly: true }),
        field("Token", token, "It stays in this tab, and is forgotten when the tab closes."),
        wrong, go,
        h("div", { class: "login-help" },
            h("p", { class: "muted" }, "The first token is printed when the node starts for the first time. An admin creates others:"),
            copied("flowgate token create NAME --role operator", "Command")));
    put(root, form);
    token.focus();

    async function submit(event) {
        event.preventDefault();
        go.disabled = true;
        put(wrong);
        try {
            await signIn(token.value.trim());
        } catch (error) {
            const text = error.status === 401 ? { title: "The node does not take this token", detail: "It is not complete, has expired, or was deleted. Paste it as it was printed." } : error;
            put(wrong, notices.inPlace(text));
            token.select();
        }
        go.disabled = false;
    }
}
