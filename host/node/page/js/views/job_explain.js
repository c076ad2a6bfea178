// Why nothing comes out of an operator: what `flowgate job explain` says.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import * as notices from "../notices.js";
import { doing, offer, panel, select } from "../parts.js";
import { notRunning } from "../phase.js";
import { jobHref, note } from "../router.js";
import { plainTable } from "../table.js";

export function explainSection({ root, signal, tenant, name, path, query }) {
    let operator = query.get("operator") ?? "";
    let known = "";
    const answer = h("div", { "aria-live": "polite" });
    const choice = select([], operator, (value) => { operator = value; ask().catch(notices.problem); });
    const again = doing("Ask again", ask);
    const form = panel("Why does nothing come out?", { actions: again },
        h("div", { class: "filters" }, h("label", {}, "Operator ", choice)), answer);
    const missing = h("div");
    put(root, form, missing);

    return (detail) => {
        form.hidden = !detail.status;
        put(missing, !detail.status && notRunning(detail));
        if (!detail.status) return;
        const names = detail.status.operators.map((one) => one.name);
        if (names.join("\n") === known) return;
        known = names.join("\n");
        // Without a choice: what comes last is what people wait for.
        if (!names.includes(operator)) operator = names.at(-1) ?? "";
        offer(choice, names, operator);
        if (operator) ask().catch(notices.problem);
    };

    async function ask() {
        const asked = operator;
        note({ operator: asked });
        const explanation = await api.get(api.query(path("explain"), { operator: asked }), signal);
        if (asked !== operator) return;
        put(answer,
            h("ol", { class: "findings" }, explanation.findings.map((finding) => h("li", { class: finding.cause === "failed" ? "bad" : null },
                about(finding, asked), h("span", { class: "detail" }, finding.text)))),
            explanation.tables.map((one) => plainTable(one.title, one.columns, one.rows)));
    }

    /** Which operator a finding is about, where it is another one and the text does not begin with it. */
    function about(finding, asked) {
        if (finding.operator === asked || finding.text.startsWith(finding.operator)) return null;
        return [h("a", { class: "strong", href: jobHref(tenant, name, "operators", { operator: finding.operator }) }, finding.operator), " "];
    }
}
