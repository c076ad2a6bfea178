// Parts that many views have: headings, times, commands to copy, empty states.

import { add, h, id, put, say } from "./dom.js";
import * as format from "./format.js";
import { icon } from "./icons.js";
import * as notices from "./notices.js";

/** A time, relative, with the exact one in its title. It stays right: see `keepTimes`. */
export function time(ms) {
    if (!format.isTime(ms)) return h("span", {}, "–");
    return h("time", { "data-ms": ms, datetime: new Date(ms).toISOString(), title: format.exact(ms) }, format.relative(ms));
}

/** Renews the relative times on the page each second, while it is seen. */
export function keepTimes() {
    setInterval(() => {
        if (document.hidden) return;
        for (const element of document.querySelectorAll("time[data-ms]")) say(element, format.relative(Number(element.dataset.ms)));
    }, 1000);
}

/** A section with a heading. */
export function panel(title, { actions, level = 2, hint } = {}, ...children) {
    return h("section", { class: "panel" },
        h("div", { class: "panel-head" }, h(`h${level}`, {}, title), hint && h("p", { class: "muted" }, hint),
            actions && h("div", { class: "actions" }, actions)),
        children);
}

/** A button; `kind`: `primary`, `danger`, `plain` or nothing. */
export function button(text, click, { kind, name, ...props } = {}) {
    return h("button", { type: "button", class: kind, ...props, on: { click } }, name && icon(name), text);
}

/** A button whose action takes time: it cannot be pressed meanwhile, and an error is shown. It gets the focus back that it loses by that. */
export function doing(text, action, options) {
    const made = button(text, async () => {
        const hadFocus = document.activeElement === made;
        made.disabled = true;
        try {
            await action();
        } catch (error) {
            notices.problem(error);
        }
        made.disabled = false;
        if (hadFocus && document.activeElement === document.body) made.focus();
    }, options);
    return made;
}

/** A text with a button that copies it. */
export function copied(text, label) {
    return h("div", { class: "copied" }, h("code", { tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": label }, text), copyButton(text, label));
}

/** A button that copies a text. */
export function copyButton(text, label) {
    const word = h("span", {}, "Copy");
    return h("button", { type: "button", "aria-label": `Copy ${label.toLowerCase()}`, on: { click: copy } }, icon("copy"), word);

    async function copy() {
        try {
            await navigator.clipboard.writeText(text);
        } catch {
            // Without TLS a browser keeps the clipboard to itself, loopback aside.
            notices.problem(new Error("The browser does not let the page copy. Select the text and copy it by hand."));
            return;
        }
        say(word, "Copied");
        notices.announce("Copied");
        setTimeout(() => say(word, "Copy"), 2000);
    }
}

/** What is said where there is nothing: what to do next, and the command for it. */
export function empty(text, command, ...actions) {
    return h("div", { class: "empty" }, h("p", {}, text), command && copied(command, "Command"), actions.length > 0 && h("div", { class: "actions" }, actions));
}

/** A labelled field of a form. `input`: the element; `hint`: what is allowed. */
export function field(label, input, hint) {
    input.id ||= id("field");
    const about = hint && h("p", { class: "hint", id: `${input.id}-hint` }, hint);
    if (about) input.setAttribute("aria-describedby", about.id);
    return h("div", { class: "field" }, h("label", { for: input.id }, label), input, about);
}

/** A choice; `options`: values, or pairs of a value and its text. */
export function select(options, value, change, props) {
    const made = h("select", { ...props, on: change && { change: () => change(made.value) } });
    offer(made, options, value);
    return made;
}

/** Replaces the options of a choice. */
export function offer(choice, options, value = choice.value) {
    put(choice, options.map((option) => {
        const [key, text] = Array.isArray(option) ? option : [option, option];
        return h("option", { value: key }, text);
    }));
    if ([...choice.options].some((option) => option.value === value)) choice.value = value;
}

/** Terms and what they are, in a row. */
export function facts(pairs) {
    const list = h("dl", { class: "facts" });
    for (const [term, value] of pairs) if (value !== null && value !== undefined && value !== false) add(list, h("div", {}, h("dt", {}, term), h("dd", {}, value)));
    return list;
}

/** Says that something is on its way. */
export function waiting(text) {
    return h("p", { class: "waiting", role: "status" }, h("span", { class: "spinner", "aria-hidden": "true" }), text);
}
