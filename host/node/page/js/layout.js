// A layered layout of a graph without cycles, left to right (Sugiyama, Tagawa and Toda, 1981): layers by the longest way, edges that
// pass a layer get a place in it, crossings are lessened by barycentres, and places move towards their neighbours.

const SWEEPS = 12;

/**
 * Places nodes and edges. `nodes`: names in an order in which senders come first; `edges`: `{key, from, to}`.
 * Returns `{width, height, nodes: Map(name -> {x, y}), edges: Map(key -> {points, bends, label})}`: corners of nodes, and points of edges.
 */
export function layout(nodes, edges, size) {
    const layerOf = layers(nodes, edges);
    const { columns, chains } = withPlaceholders(nodes, edges, layerOf);
    const neighbours = links(chains);
    order(columns, neighbours);
    const y = heights(columns, neighbours, size);
    return place(columns, chains, y, size);
}

/** The layer of each node: the longest way from a source. Sources move next to their first receiver. */
function layers(nodes, edges) {
    const layer = new Map(nodes.map((name) => [name, 0]));
    for (let round = 0; round < nodes.length; round += 1) {
        let moved = false;
        for (const { from, to } of edges) {
            if (layer.get(to) > layer.get(from)) continue;
            layer.set(to, layer.get(from) + 1);
            moved = true;
        }
        if (!moved) break;
    }
    for (const name of nodes) {
        const receivers = edges.filter((edge) => edge.from === name).map((edge) => layer.get(edge.to));
        const isSource = !edges.some((edge) => edge.to === name);
        if (isSource && receivers.length > 0) layer.set(name, Math.min(...receivers) - 1);
    }
    return layer;
}

/** The columns of the layout, with a placeholder in each layer that an edge passes; and each edge as a chain of places. */
function withPlaceholders(nodes, edges, layerOf) {
    const columns = [];
    const column = (index) => (columns[index] ??= []);
    for (const name of nodes) column(layerOf.get(name)).push({ id: `n${name}`, name });
    const chains = edges.map((edge) => {
        const chain = [`n${edge.from}`];
        for (let layer = layerOf.get(edge.from) + 1; layer < layerOf.get(edge.to); layer += 1) {
            const id = `e${edge.key}/${layer}`;
            column(layer).push({ id });
            chain.push(id);
        }
        chain.push(`n${edge.to}`);
        return { edge, chain };
    });
    return { columns: columns.filter(Boolean), chains };
}

function links(chains) {
    const before = new Map();
    const after = new Map();
    const link = (map, from, to) => map.set(from, [...(map.get(from) ?? []), to]);
    for (const { chain } of chains) {
        for (let index = 1; index < chain.length; index += 1) {
            link(after, chain[index - 1], chain[index]);
            link(before, chain[index], chain[index - 1]);
        }
    }
    return { before, after };
}

/** Sorts each column by the mean place of its neighbours, forth and back, and keeps the order with the fewest crossings. */
function order(columns, { before, after }) {
    let best = columns.map((column) => [...column]);
    let least = crossings(columns, after);
    for (let sweep = 0; sweep < SWEEPS && least > 0; sweep += 1) {
        const forth = sweep % 2 === 0;
        const at = new Map(columns.flatMap((column) => column.map((place, index) => [place.id, index])));
        for (const column of forth ? columns : [...columns].reverse()) {
            const mean = new Map(column.map((place, index) => {
                const near = ((forth ? before : after).get(place.id) ?? []).map((id) => at.get(id));
                return [place.id, near.length > 0 ? near.reduce((a, b) => a + b, 0) / near.length : index];
            }));
            column.sort((a, b) => mean.get(a.id) - mean.get(b.id));
            column.forEach((place, index) => at.set(place.id, index));
        }
        const now = crossings(columns, after);
        if (now < least) {
            least = now;
            best = columns.map((column) => [...column]);
        }
    }
    best.forEach((column, index) => columns.splice(index, 1, column));
}

function crossings(columns, after) {
    let all = 0;
    for (let layer = 0; layer + 1 < columns.length; layer += 1) {
        const at = new Map(columns[layer + 1].map((place, index) => [place.id, index]));
        const ends = columns[layer].flatMap((place) => (after.get(place.id) ?? []).map((id) => at.get(id)).sort((a, b) => a - b));
        for (let i = 0; i < ends.length; i += 1) for (let j = i + 1; j < ends.length; j += 1) if (ends[i] > ends[j]) all += 1;
    }
    return all;
}

/** The middle of each place: near its neighbours, and apart from those in its column. */
function heights(columns, { before, after }, size) {
    const y = new Map();
    const space = (a, b) => ((a.name ? size.nodeHeight : size.passHeight) + (b.name ? size.nodeHeight : size.passHeight)) / 2 + size.rowGap;
    const stack = (column, wish) => {
        // Forth, each place as near to its wish as the one before allows; then all move to the mean of what is left.
        const at = [];
        column.forEach((place, index) => {
            const wanted = wish(place, index);
            at.push(index === 0 ? wanted : Math.max(wanted, at[index - 1] + space(column[index - 1], place)));
        });
        const shift = column.reduce((sum, place, index) => sum + wish(place, index) - at[index], 0) / column.length;
        column.forEach((place, index) => y.set(place.id, at[index] + shift));
    };
    for (const column of columns) stack(column, (_, index) => index * (size.nodeHeight + size.rowGap));
    for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
        // Forth at last: a receiver is level with its only sender.
        for (const column of sweep % 2 === 1 ? columns : [...columns].reverse()) {
            const wishes = new Map(column.map((place) => {
                const near = [...(before.get(place.id) ?? []), ...(after.get(place.id) ?? [])].map((id) => y.get(id));
                return [place.id, near.length > 0 ? near.reduce((a, b) => a + b, 0) / near.length : y.get(place.id)];
            }));
            stack(column, (place) => wishes.get(place.id));
        }
    }
    return y;
}

function place(columns, chains, y, size) {
    const top = Math.min(...[...y.values()]) - size.nodeHeight / 2 - size.margin;
    const bottom = Math.max(...[...y.values()]) + size.nodeHeight / 2 + size.margin;
    const step = size.nodeWidth + size.columnGap;
    const x = new Map(columns.flatMap((column, index) => column.map((place) => [place.id, size.margin + index * step])));
    const nodes = new Map();
    for (const entry of columns.flat().filter((entry) => entry.name)) {
        nodes.set(entry.name, { x: x.get(entry.id), y: y.get(entry.id) - top - size.nodeHeight / 2 });
    }
    const ends = labelEnds(chains.map(({ edge }) => edge));
    const edges = new Map(chains.map(({ edge, chain }) => [edge.key, route(chain, ends.get(edge.key), x, y, top, size)]));
    separate([...edges.values()].map((edge) => edge.label), size.labelHeight);
    return { width: 2 * size.margin + columns.length * step - size.columnGap, height: bottom - top, nodes, edges };
}

/**
 * At which end each edge has its label: where no other edge begins or ends, so that labels lie apart. Edges that can have it at one
 * end alone choose first.
 */
function labelEnds(edges) {
    const many = (end, edge) => edges.filter((other) => other[end] === edge[end]).length > 1;
    const taken = new Set();
    const ends = new Map();
    const sorted = [...edges].sort((a, b) => many("from", a) + many("to", a) - many("from", b) - many("to", b));
    for (const edge of sorted) {
        const free = ["from", "to"].filter((end) => !taken.has(`${end} ${edge[end]}`));
        const end = free.find((end) => !many(end, edge)) ?? free[0] ?? "from";
        taken.add(`${end} ${edge[end]}`);
        ends.set(edge.key, end);
    }
    return ends;
}

/**
 * The points of an edge: it leaves a node at its right side, passes placeholders in the middle, and ends at a left side. Between two
 * layers it is level where its label is, and bends in the rest. `bends` has the number of each point behind a bend.
 */
function route(chain, end, x, y, top, size) {
    const points = [];
    const bends = new Set();
    chain.forEach((id, index) => {
        const at = Math.round(y.get(id) - top);
        if (index > 0) {
            const before = points.at(-1);
            const labelled = (end === "from" && index === 1) || (end === "to" && index === chain.length - 1);
            const level = end === "from" && labelled ? before.x + size.labelWidth : labelled ? x.get(id) - size.labelWidth : null;
            if (end === "from" && labelled) points.push({ x: level, y: before.y });
            if (end === "to" && labelled) {
                bends.add(points.length);
                points.push({ x: level, y: at });
            } else {
                bends.add(points.length);
            }
            points.push({ x: x.get(id), y: at });
        }
        if (index < chain.length - 1) points.push({ x: x.get(id) + size.nodeWidth, y: at });
    });
    const isStraight = points.every((point) => point.y === points[0].y) && chain.length === 2;
    const [first, last] = [points[0], points.at(-1)];
    if (isStraight) return { points, bends, label: { x: (first.x + last.x) / 2, y: first.y } };
    const label = end === "from" ? { x: first.x + size.labelWidth / 2, y: first.y } : { x: last.x - size.labelWidth / 2, y: last.y };
    return { points, bends, label };
}

/** Moves labels that would lie on each other apart. */
function separate(labels, height) {
    const sorted = [...labels].sort((a, b) => a.x - b.x || a.y - b.y);
    sorted.forEach((label, index) => {
        const above = sorted[index - 1];
        if (above && above.x === label.x && label.y - above.y < height) label.y = above.y + height;
    });
}
