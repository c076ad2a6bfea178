// The graph of a job as SVG: operators, and edges with their live rates, lag and backpressure.

import { h, put, s, say } from "./dom.js";
import * as format from "./format.js";
import { layout } from "./layout.js";
import * as standing from "./standing.js";
import { table } from "./table.js";

const SIZE = { nodeWidth: 170, nodeHeight: 62, passHeight: 30, columnGap: 172, rowGap: 26, margin: 12, labelHeight: 50, labelWidth: 92 };
/** Characters that fit into a node, in the widest of the usual fonts. */
const NAME_CHARS = 19;
/** How far a wide graph is made smaller before it is scrolled. */
const SCALE_MIN = 0.75;
const ARROW = "M0 0 7 3.5 0 7Z";

/** Creates a graph; `update(status, rates)` renews it. `hrefOf(operator)` is where an operator leads. */
export function graph({ hrefOf }) {
    const drawing = h("div", { class: "graph scroll", role: "region", tabindex: "0", "aria-label": "The graph of the job" });
    const edgeTable = tableOfEdges(hrefOf);
    const element = h("div", {}, drawing, legend(),
        h("details", { class: "more" }, h("summary", {}, "The graph as a table"), edgeTable.element));
    let shape = null;
    let drawn = null;
    return { element, update };

    function update(status, rates) {
        const operators = status.operators;
        const edges = standing.edges(operators);
        const now = JSON.stringify([operators.map((operator) => [operator.name, standing.kind(operator)]), edges]);
        if (now !== shape) {
            shape = now;
            drawn = draw(operators, edges, hrefOf);
            put(drawing, drawn.element);
        }
        const byName = new Map(operators.map((operator) => [operator.name, operator]));
        for (const operator of operators) drawn.nodes.get(operator.name).show(operator, rates.of(operator.name));
        const rows = edges.map((edge) => ({ ...edge, ...standing.edgeStanding(edge, byName, rates, status.now_ms) }));
        for (const row of rows) drawn.edges.get(row.key).show(row);
        edgeTable.update(rows);
    }
}

function draw(operators, edges, hrefOf) {
    const placed = layout(operators.map((operator) => operator.name), edges, SIZE);
    const edgeParts = new Map(edges.map((edge) => [edge.key, drawEdge(edge, placed.edges.get(edge.key))]));
    const nodeParts = new Map(operators.map((operator) => [operator.name, drawNode(operator, placed.nodes.get(operator.name), hrefOf)]));
    const marker = (id) => s("marker", { id, class: id, viewBox: "0 0 7 7", refX: 6.5, refY: 3.5, markerWidth: 7, markerHeight: 7, orient: "auto", markerUnits: "userSpaceOnUse" },
        s("path", { d: ARROW }));
    const element = s("svg", {
        viewBox: `0 0 ${Math.ceil(placed.width)} ${Math.ceil(placed.height)}`, role: "group", "aria-label": "Operators, from sources to sinks",
    },
    s("defs", {}, marker("arrow"), marker("arrow-full")),
    s("g", { "aria-hidden": "true" }, [...edgeParts.values()].map((part) => part.line)),
    s("g", {}, [...nodeParts.values()].map((part) => part.element)),
    s("g", { "aria-hidden": "true" }, [...edgeParts.values()].map((part) => part.label)));
    element.style.minWidth = `${Math.ceil(placed.width * SCALE_MIN)}px`;
    element.style.maxWidth = `${Math.ceil(placed.width)}px`;
    return { element, nodes: nodeParts, edges: edgeParts };
}

function drawNode(operator, at, hrefOf) {
    const name = operator.name.length > NAME_CHARS ? `${operator.name.slice(0, NAME_CHARS - 1)}…` : operator.name;
    const figures = s("text", { class: "node-figures", x: 12, y: 51 });
    const trouble = s("text", { class: "node-trouble", x: SIZE.nodeWidth - 10, y: 35, "text-anchor": "end" });
    const element = s("a", { href: hrefOf(operator.name), class: "node", transform: `translate(${Math.round(at.x)} ${Math.round(at.y)})` },
        s("rect", { width: SIZE.nodeWidth, height: SIZE.nodeHeight, rx: 6 }),
        sideOf(standing.kind(operator)),
        s("text", { class: "node-name", x: 12, y: 20 }, name, name !== operator.name && s("title", {}, operator.name)),
        s("text", { class: "node-kind", x: 12, y: 35 }, standing.kindWord(operator)),
        figures, trouble);
    return { element, show };

    function show(now, rate) {
        const troubles = standing.troubles(now);
        const ended = standing.ended(now);
        const isSink = standing.kind(now) === "sink";
        const speed = rate ? `${format.compact(isSink ? rate.in : rate.out)} rows/s ${isSink ? "in" : "out"}` : "–";
        say(figures, ended ? "ended" : speed);
        say(trouble, troubles > 0 ? ` ${format.compact(troubles)} ${now.errors > 0 ? "errors" : "late"}` : "");
        element.setAttribute("class", `node${ended ? " ended" : ""}`);
    }
}

/** The mark at the side of a node: sources have it at their left, sinks at their right, functions of plugins at the top. */
function sideOf(kind) {
    const bar = (props) => s("rect", { class: "side", rx: 1.5, ...props });
    if (kind === "source") return bar({ x: 0, y: 10, width: 3, height: SIZE.nodeHeight - 20 });
    if (kind === "sink") return bar({ x: SIZE.nodeWidth - 3, y: 10, width: 3, height: SIZE.nodeHeight - 20 });
    return null;
}

function drawEdge(edge, { points, bends, label }) {
    const line = s("path", { class: "edge", d: curve(points, bends), "marker-end": "url(#arrow)" });
    const lines = ["edge-rate", "edge-lag", "edge-full"].map((name) => s("text", { class: name, "text-anchor": "middle" }));
    const [rate, lag, full] = lines;
    const bars = s("path", { class: "edge-bars", d: "" });
    const group = s("g", { class: "edge-label", transform: `translate(${label.x} ${label.y})` }, lines, bars);
    return { line, label: group, show };

    function show(now) {
        const waits = now.waitsMs !== null;
        line.setAttribute("class", `edge${waits ? " full" : ""}${now.ended ? " ended" : ""}${edge.output ? " side-output" : ""}`);
        line.setAttribute("marker-end", waits ? "url(#arrow-full)" : "url(#arrow)");
        const speed = now.ended ? "ended" : now.rate === null ? "–" : edge.output ? `${format.compact(now.rate)}/s` : `${format.compact(now.rate)} rows/s`;
        say(rate, edge.output ? `${edge.output} ${speed}` : speed);
        say(lag, now.lag === null ? "" : `lag ${standing.lagWord(now.lag)}`);
        say(full, waits ? `waits ${format.duration(now.waitsMs)}` : "");
        const width = waits ? full.textContent.length * 3 + 4 : 0;
        bars.setAttribute("d", waits ? `M${-width - 4} 18v9M${-width} 18v9` : "");
        // Above the line: the rate; below: the lag, and how long rows wait.
        rate.setAttribute("y", -6);
        lag.setAttribute("y", 14);
        full.setAttribute("y", now.lag === null ? 14 : 27);
        full.setAttribute("x", 5);
        bars.setAttribute("transform", now.lag === null ? "translate(0 -13)" : "translate(0 0)");
    }
}

/** A line through points; `bends` has the numbers of those that are reached by a bend. */
function curve(points, bends) {
    let d = `M${points[0].x} ${points[0].y}`;
    for (let index = 1; index < points.length; index += 1) {
        const [from, to] = [points[index - 1], points[index]];
        const middle = (from.x + to.x) / 2;
        d += bends.has(index) && from.y !== to.y ? `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}` : `L${to.x} ${to.y}`;
    }
    return d;
}

function legend() {
    const sample = (kind) => s("svg", { class: "sample", viewBox: "0 0 34 8", "aria-hidden": "true", focusable: "false" }, s("path", { class: `edge ${kind}`, d: "M1 4H33" }));
    return h("p", { class: "legend muted" },
        h("span", {}, sample(""), "rows flow"),
        h("span", {}, sample("full"), "backpressure: rows wait for the receiver"),
        h("span", {}, sample("side-output"), "errors or late rows"));
}

function tableOfEdges(hrefOf) {
    return table({
        caption: "Edges of the graph",
        key: (edge) => edge.key,
        columns: [
            { head: "From", text: (edge) => edge.from, node: (edge) => h("a", { href: hrefOf(edge.from) }, edge.from) },
            { head: "Output", text: (edge) => edge.output || "main" },
            { head: "To", text: (edge) => edge.to, node: (edge) => h("a", { href: hrefOf(edge.to) }, edge.to) },
            { head: "Rate", number: true, text: (edge) => edge.ended ? "ended" : format.rate(edge.rate) },
            { head: "Watermark", text: (edge) => edge.watermark === null ? "none" : format.isTime(edge.watermark) ? format.exact(edge.watermark) : "end of input" },
            { head: "Lag", number: true, text: (edge) => standing.lagWord(edge.lag) },
            { head: "Backpressure", text: (edge) => edge.waitsMs === null ? "no" : `rows wait, ${format.duration(edge.waitsMs)}` },
        ],
    });
}
