// The overview of a job: its figures, its graph, its warnings.

import { h, put, say } from "../dom.js";
import * as format from "../format.js";
import { graph } from "../graph.js";
import { panel, time } from "../parts.js";
import { notRunning } from "../phase.js";
import { jobHref } from "../router.js";
import { spark } from "../spark.js";
import * as standing from "../standing.js";

export function overviewSection({ root, tenant, name, rates }) {
    const tiles = figures();
    const drawn = graph({ hrefOf: (operator) => jobHref(tenant, name, "operators", { operator }) });
    const warnings = h("div");
    const graphPanel = panel("Graph", {}, drawn.element);
    const picture = h("div");
    put(root, tiles.element, graphPanel, warnings, picture);
    let shown = "";

    return (detail) => {
        const { status } = detail;
        tiles.element.hidden = graphPanel.hidden = !status;
        if (!status) {
            if (shown !== detail.phase) put(picture, notRunning(detail), columns(detail.picture));
            put(warnings);
            shown = detail.phase;
            return;
        }
        tiles.update(status, rates);
        drawn.update(status, rates);
        const now = JSON.stringify([status.warnings, detail.picture]);
        if (now === shown) return;
        shown = now;
        put(warnings, status.warnings.length > 0 && panel("Warnings", {}, h("ul", { class: "warnings" }, status.warnings.map((text) => h("li", {}, text)))));
        put(picture, columns(detail.picture));
    };
}

function columns(picture) {
    return picture && h("details", { class: "more panel" }, h("summary", {}, "Operators and the columns that they emit"), h("pre", { tabindex: "0" }, picture));
}

function figures() {
    const read = tile("Read", true);
    const written = tile("Written", true);
    const lag = tile("Watermark lag");
    const state = tile("State");
    const checkpoint = tile("Last checkpoint");
    const troubles = tile("Errors and late rows");
    const element = h("dl", { class: "tiles" }, [read, written, lag, state, checkpoint, troubles].map((one) => one.element));
    return { element, update };

    function update(status, rates) {
        const total = rates.total();
        const sum = (field) => status.operators.reduce((all, operator) => all + field(operator), 0);
        read.show(total ? format.rate(total.read) : "–", `${format.count(sum((one) => standing.kind(one) === "source" ? one.rows_in : 0))} rows in all`, rates.read);
        written.show(total ? format.rate(total.written) : "–", `${format.count(sum((one) => standing.kind(one) === "sink" ? one.rows_in : 0))} rows in all`, rates.written);
        const behind = standing.jobLag(status);
        lag.show(standing.lagWord(behind), behind === null ? "no watermark" : "behind the job's clock");
        const keys = sum((one) => one.state.keys);
        const spilled = sum((one) => one.state.spilled_keys);
        state.show(format.bytes(sum((one) => one.state.memory_bytes)), `${format.compact(keys)} keys in memory${spilled > 0 ? `, ${format.compact(spilled)} in files` : ""}`);
        const last = status.checkpoint;
        checkpoint.show(last ? time(last.at_ms) : "none yet", last ? last.failure ?? `${format.bytes(last.bytes)} in ${format.duration(last.duration_us / 1000)}` : "", undefined, last?.failure);
        const errors = sum((one) => one.errors);
        const late = sum((one) => one.late);
        troubles.show(format.count(errors + late), `${format.plural(errors, "error")}, ${format.count(late)} late`, undefined, errors > 0);
    }
}

function tile(name, hasLine) {
    const value = h("span", { class: "value" });
    const about = h("span", { class: "about" });
    const line = hasLine && spark();
    const element = h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value, about, line && line.element));
    let timed = null;
    return { element, show };

    function show(now, text, values, bad) {
        if (now instanceof Node) {
            if (timed !== now.dataset.ms) put(value, now);
            timed = now.dataset.ms;
        } else {
            say(value, now);
        }
        say(about, text);
        if (values) line.draw(values);
        element.classList.toggle("bad", Boolean(bad));
    }
}
