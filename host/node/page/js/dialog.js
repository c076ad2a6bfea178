// Dialogs: the browser keeps the focus inside, closes them by Escape, and returns the focus to where it was.

import { h, id, put } from "./dom.js";
import * as notices from "./notices.js";
import { button } from "./parts.js";

/**
 * Opens a dialog and returns what `submit` returned; null where it was closed. `submit` runs when the form is sent; its error is
 * shown in the dialog, which stays open.
 */
export function dialog({ title, body, action, danger = false, submit, ready }) {
    return new Promise((resolve) => {
        const label = id("dialog");
        const wrong = h("div");
        const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, action);
        const form = h("form", { method: "dialog", on: { submit: send } },
            h("h2", { id: label }, title), h("div", { class: "dialog-body" }, body), wrong,
            h("div", { class: "dialog-foot" }, button("Back", () => element.close()), go));
        const element = h("dialog", { "aria-labelledby": label, on: { close, click: outside } }, form);
        let result = null;
        document.body.append(element);
        element.showModal();
        form.querySelector("[autofocus], input, select, textarea")?.focus();
        const update = () => { go.disabled = ready ? !ready() : false; };
        form.addEventListener("input", update);
        update();

        async function send(event) {
            event.preventDefault();
            go.disabled = true;
            put(wrong);
            try {
                result = (await submit()) ?? true;
                element.close();
            } catch (error) {
                put(wrong, notices.inPlace(error));
                update();
            }
        }

        function outside(event) {
            if (event.target === element) element.close();
        }

        function close() {
            element.remove();
            resolve(result);
        }
    });
}

/** Asks before something is done: `what` says what happens. With `name`, the name has to be typed. */
export function confirm({ title, what, action, danger, name, submit, extra }) {
    const typed = name && h("input", { type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "off", id: id("typed") });
    const body = [
        [what].flat().map((text) => h("p", {}, text)),
        extra,
        name && h("div", { class: "field" }, h("label", { for: typed.id }, "Type ", h("strong", {}, name), " to go on"), typed),
    ];
    return dialog({ title, body, action, danger, submit, ready: name ? () => typed.value === name : undefined });
}

/** Shows something that is seen once. It closes by its button alone, or by Escape. */
export function show({ title, body }) {
    return new Promise((resolve) => {
        const label = id("dialog");
        const element = h("dialog", { "aria-labelledby": label, on: { close } },
            h("h2", { id: label }, title), h("div", { class: "dialog-body" }, body),
            h("div", { class: "dialog-foot" }, button("Done", () => element.close(), { kind: "primary" })));
        document.body.append(element);
        element.showModal();

        function close() {
            element.remove();
            resolve();
        }
    });
}
