// What the page tells by itself: errors, which stay until they are dismissed; successes; a lost connection.

import { h, id, put, say } from "./dom.js";
import { icon } from "./icons.js";
import * as format from "./format.js";

const NOTICES_MAX = 5;

/** Tells screen readers something that is seen elsewhere. */
export function announce(text) {
    say(document.getElementById("said"), text);
}

/** Shows an error until it is dismissed. */
export function problem(error) {
    if (error.name === "AbortError" || error.status === 401) return;
    if (!error.status && error.code === undefined) console.error(error);
    show((dismiss) => h("div", { class: "notice bad", role: "alert" }, icon("alert"), problemText(error), dismiss));
}

/** Shows that something was done. It is dismissed by hand, or by the next notice of success. */
export function done(text) {
    for (const old of document.querySelectorAll("#notices .good")) old.remove();
    show((dismiss) => h("div", { class: "notice good", role: "status" }, icon("check"), h("p", {}, text), dismiss));
}

function dismissOf(remove) {
    return h("button", { type: "button", class: "plain", "aria-label": "Dismiss", title: "Dismiss", on: { click: remove } }, icon("close"));
}

function show(build) {
    const region = document.getElementById("notices");
    let box = null;
    const remove = () => {
        box.remove();
        document.getElementById("main").focus({ preventScroll: true });
    };
    box = build(dismissOf(remove));
    region.append(box);
    while (region.children.length > NOTICES_MAX) region.firstElementChild.remove();
}

function problemText(error) {
    const title = error.title ? error.title[0].toUpperCase() + error.title.slice(1) : "Something went wrong in the page";
    return h("div", {}, h("p", { class: "strong" }, title), h("p", { class: "detail" }, error.detail ?? String(error)));
}

/** An error in the place of what could not be shown. */
export function inPlace(error) {
    return h("div", { class: "notice bad inline", role: "alert" }, icon("alert"), problemText(error));
}

let banner = null;

/** Says that the node does not answer, until it does. */
export function disconnected(error, waitMs) {
    const again = format.duration(waitMs);
    const text = error.status === 0 || error.status === undefined ? "The node does not answer." : error.detail;
    if (!banner) {
        banner = h("div", { class: "notice warn", role: "status", id: id("lost") });
        document.getElementById("notices").prepend(banner);
    }
    put(banner, icon("alert"), h("p", {}, `${text} What is shown may be old; the next try is in ${again}.`));
}

/** Takes that back. */
export function connected() {
    if (!banner) return;
    banner.remove();
    banner = null;
    announce("The node answers again.");
}

/** Removes all notices. */
export function clear() {
    banner = null;
    document.getElementById("notices").replaceChildren();
}
