// Tables whose rows stay where they are when their figures change: focus and selections survive.

import { add, h, id, put, say } from "./dom.js";

/**
 * Creates a table. `columns`: `{head, text(item), node(item)?, number?, wide?}`; `text` decides whether a cell has changed, and is
 * shown where there is no `node`. `key(item)` tells rows apart. The first column heads its row.
 */
export function table({ caption, columns, key, rowClass, shownCaption = false }) {
    const body = h("tbody");
    const rows = new Map();
    const label = id("caption");
    const head = h("tr", {}, columns.map((column) => h("th", { scope: "col", class: classOf(column) },
        column.head === "" ? h("span", { class: "unseen" }, "Actions") : column.head)));
    const element = h("div", { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": label },
        h("table", {}, h("caption", { id: label, class: shownCaption ? null : "unseen" }, caption), h("thead", {}, head), body));
    return { element, update };

    function update(items) {
        const seen = new Set();
        items.forEach((item, index) => {
            const name = String(key(item, index));
            seen.add(name);
            let row = rows.get(name);
            if (!row) {
                row = newRow();
                rows.set(name, row);
            }
            if (rowClass) row.element.className = rowClass(item) ?? "";
            row.show(item);
            if (body.children[index] !== row.element) body.insertBefore(row.element, body.children[index] ?? null);
        });
        for (const [name, row] of rows) {
            if (seen.has(name)) continue;
            row.element.remove();
            rows.delete(name);
        }
    }

    function newRow() {
        const cells = columns.map((column, index) => index === 0
            ? h("th", { scope: "row", class: classOf(column) }) : h("td", { class: classOf(column) }));
        const before = columns.map(() => null);
        return { element: h("tr", {}, cells), show };

        function show(item) {
            columns.forEach((column, index) => {
                const text = String(column.text(item) ?? "");
                if (text === before[index]) return;
                before[index] = text;
                if (column.node) put(cells[index], column.node(item));
                else say(cells[index], text);
            });
        }
    }
}

function classOf(column) {
    return [(column.number || column.head === "") && "number", column.wide && "wide"].filter(Boolean).join(" ") || null;
}

/** A table that does not change: heads and rows of texts or nodes. */
export function plainTable(caption, heads, rows, { shownCaption = true } = {}) {
    const label = id("caption");
    return h("div", { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": label },
        h("table", {},
            h("caption", { id: label, class: shownCaption ? null : "unseen" }, caption),
            h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))),
            add(h("tbody"), rows.map((row) => h("tr", {}, row.map((cell, index) => h(index === 0 ? "th" : "td", index === 0 ? { scope: "row" } : {}, cell)))))));
}
