// The layout of the graph, without a browser: the same module that the page loads.

import assert from "node:assert/strict";
import test from "node:test";
import { layout } from "../../host/node/page/js/layout.js";
import { Parser } from "../../host/node/page/js/stream.js";
import * as format from "../../host/node/page/js/format.js";

const SIZE = { nodeWidth: 170, nodeHeight: 62, passHeight: 30, columnGap: 172, rowGap: 26, margin: 12, labelHeight: 50, labelWidth: 92 };

/** A graph without cycles, drawn from a sequence that is the same each time. */
function graph(seed) {
    let state = seed;
    const random = (n) => { state = (state * 1103515245 + 12345) % 2 ** 31; return Math.floor((state / 2 ** 31) * n); };
    const nodes = Array.from({ length: 2 + random(12) }, (_, index) => `o${index}`);
    const edges = nodes.flatMap((to, index) => index === 0 ? [] : Array.from({ length: 1 + random(2) }, (_, nth) => ({ key: `${to}/${nth}`, from: nodes[random(index)], to })));
    return { nodes, edges };
}

test("operators lie apart and inside, and edges lead to the right", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
        const { nodes, edges } = graph(seed);
        const placed = layout(nodes, edges, SIZE);
        const at = nodes.map((name) => placed.nodes.get(name));
        at.forEach((one, index) => {
            assert.ok(one.x >= 0 && one.x + SIZE.nodeWidth <= placed.width && one.y >= 0 && one.y + SIZE.nodeHeight <= placed.height, `graph ${seed}: ${nodes[index]} is outside`);
            at.slice(index + 1).forEach((other) => assert.ok(one.x !== other.x || Math.abs(one.y - other.y) >= SIZE.nodeHeight, `graph ${seed}: operators lie on each other`));
        });
        for (const edge of edges) {
            const { points } = placed.edges.get(edge.key);
            const xs = points.map((point) => point.x);
            assert.deepEqual(xs, [...xs].sort((a, b) => a - b), `graph ${seed}: ${edge.key} goes back`);
            assert.equal(points[0].x, placed.nodes.get(edge.from).x + SIZE.nodeWidth);
            assert.equal(points.at(-1).x, placed.nodes.get(edge.to).x);
        }
    }
});

test("events are read from pieces of any size", () => {
    const text = "event: job\ndata: {\"a\":1}\nid: 7\n\n: keep-alive\n\ndata: two\ndata: lines\r\n\r\nevent: without data\n\n";
    const wanted = [{ event: "job", data: "{\"a\":1}", id: "7" }, { event: "message", data: "two\nlines", id: "7" }];
    for (let size = 1; size <= text.length; size += 1) {
        const events = [];
        const parser = new Parser((event) => events.push(event));
        for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
        assert.deepEqual(events, wanted, `pieces of ${size}`);
    }
});

test("figures are short, and have their units", () => {
    const rates = [[null, "–"], [0, "0 rows/s"], [3.14, "3.1 rows/s"], [999, "999 rows/s"], [12_345, "12.3k rows/s"], [999_600, "1.00M rows/s"]];
    for (const [value, text] of rates) assert.equal(format.rate(value), text);
    for (const [value, text] of [[0, "0 B"], [1023, "1023 B"], [1024, "1 KiB"], [1536, "1.50 KiB"], [2 ** 31, "2 GiB"]]) assert.equal(format.bytes(value), text);
    for (const [value, text] of [[0.25, "0.25 ms"], [320, "320 ms"], [1200, "1.2 s"], [59_600, "1 min"], [192_000, "3 min 12 s"], [7_500_000, "2 h 5 min"]]) assert.equal(format.duration(value), text);
    assert.equal(format.relative(1_000, 13_000), "12 s ago");
    assert.equal(format.relative(7_300_000, 0), "in 2 h");
    assert.equal(format.exact(0), "1970-01-01 00:00:00.000 UTC");
});
