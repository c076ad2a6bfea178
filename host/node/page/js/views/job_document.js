// The document of a job, as it was submitted.

import { h, put } from "../dom.js";
import { copyButton, panel } from "../parts.js";

export function documentSection({ root }) {
    let shown = null;
    return (detail) => {
        if (detail.document === shown) return;
        shown = detail.document;
        const lines = detail.document.replace(/\n$/, "").split("\n");
        put(root, panel("Document", { hint: `${detail.language.toUpperCase()}, as it was submitted`, actions: copyButton(detail.document, "Document") },
            h("div", { class: "document scroll", tabindex: "0", role: "region", "aria-label": "Document of the job" },
                h("pre", { class: "numbers", "aria-hidden": "true" }, lines.map((_, index) => `${index + 1}\n`).join("")),
                h("pre", {}, detail.document))));
    };
}
