// The log of a job and of its plugins: the last lines, and live what follows.

import * as api from "../api.js";
import { h, put, say } from "../dom.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { button, doing, empty, field, offer, panel, select } from "../parts.js";
import { note } from "../router.js";
import { stream } from "../stream.js";

const LINES_MAX = 1_000;
const PART = 200;
const LEVELS = [["", "All levels"], ["error", "error"], ["warn", "warn and worse"], ["info", "info and worse"], ["debug", "debug and worse"]];
/** How near to its end a list is scrolled so that it follows. */
const NEAR_PX = 40;

export function logsSection({ root, signal, path, name, query }) {
    const wanted = { operator: query.get("operator") ?? "", level: query.get("level") ?? "", follow: query.get("follow") !== "no" };
    let reading = new AbortController();
    let known = null;
    let lines = 0;
    const operator = select([["", "All operators"], ...(wanted.operator ? [wanted.operator] : [])], wanted.operator, change);
    const level = select(LEVELS, wanted.level, change);
    const follows = h("input", { type: "checkbox", checked: wanted.follow, on: { change } });
    const state = h("p", { class: "muted", role: "status" });
    const list = h("ol");
    const box = h("div", { class: "log", tabindex: "0", role: "log", "aria-label": `Log of ${name}`, "aria-live": "off" }, list);
    const more = h("div", { class: "actions" });
    put(root, panel("Logs", {},
        h("div", { class: "filters" }, field("Operator", operator), field("Level", level), h("label", { class: "check" }, follows, "Follow"), button("Clear", clear), state),
        box, more));
    signal.addEventListener("abort", () => reading.abort());
    read();

    return (detail) => {
        const names = detail.status?.operators.map((one) => one.name) ?? [...new Set(detail.plugins.map((one) => one.operator))];
        if (names.join("\n") === known) return;
        known = names.join("\n");
        offer(operator, [["", "All operators"], ...new Set([...names, ...(wanted.operator ? [wanted.operator] : [])])], wanted.operator);
    };

    function change() {
        Object.assign(wanted, { operator: operator.value, level: level.value, follow: follows.checked });
        note({ operator: wanted.operator, level: wanted.level, follow: wanted.follow ? "" : "no" });
        read();
    }

    function clear() {
        lines = 0;
        list.replaceChildren();
    }

    function read() {
        reading.abort();
        reading = new AbortController();
        clear();
        put(more);
        if (wanted.follow) follow(reading.signal);
        else part(undefined, reading.signal).catch(notices.problem);
    }

    async function follow(end) {
        say(state, "Connecting");
        const address = api.query(path("logs"), { follow: "true", limit: PART, operator: wanted.operator, level: wanted.level });
        try {
            await stream(address, {
                signal: end,
                onEvent: ({ data }) => append([JSON.parse(data)]),
                onState: (now) => say(state, now === "open" ? "Live" : "The stream is lost; trying again"),
            });
        } catch (error) {
            notices.problem(error);
            say(state, "The stream was refused");
        }
    }

    async function part(after, end) {
        const page = await api.get(api.query(path("logs"), { after, limit: PART, operator: wanted.operator, level: wanted.level }), end);
        append(page.items);
        say(state, format.plural(lines, "line"));
        if (lines === 0) put(list, h("li", { class: "none" }, empty("There are no such lines.")));
        // There may be lines behind it later: a log has no end while its job lives.
        put(more, page.next && doing("More lines", () => part(page.next, end)));
    }

    function append(entries) {
        const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
        list.append(...entries.map(line));
        lines += entries.length;
        while (list.children.length > LINES_MAX) list.firstElementChild.remove();
        if (atEnd && wanted.follow) box.scrollTop = box.scrollHeight;
    }
}

function line(entry) {
    const where = [entry.operator, entry.plugin, entry.worker === null || entry.worker === undefined ? null : `worker ${entry.worker}`].filter(Boolean).join(" · ");
    const level = entry.level ?? "info";
    return h("li", { class: `level-${["error", "warn", "info", "debug", "trace"].includes(level) ? level : "info"}` },
        h("time", { datetime: new Date(entry.at_ms).toISOString(), title: `${format.exact(entry.at_ms)}, attempt ${entry.attempt}` }, format.exact(entry.at_ms).slice(11, 23)),
        h("span", { class: "level" }, level), h("span", { class: "where" }, where), h("span", { class: "message" }, entry.message));
}
