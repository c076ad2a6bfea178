// A line of the last values. It is an ornament: the value itself is beside it as text.

import { s } from "./dom.js";

const WIDTH = 96;
const HEIGHT = 22;
const POINTS = 60;

/** Creates a line; `draw(values)` renews it. */
export function spark() {
    const line = s("polyline", { points: "" });
    const element = s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" }, line);
    return { element, draw };

    function draw(values) {
        const top = Math.max(...values, 1e-9);
        const points = values.map((value, index) => {
            const x = WIDTH - ((values.length - 1 - index) / (POINTS - 1)) * WIDTH;
            return `${x.toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`;
        });
        line.setAttribute("points", values.length > 1 ? points.join(" ") : "");
    }
}
