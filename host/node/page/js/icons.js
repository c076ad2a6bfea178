// Icons, drawn on 16 by 16, in the colour of the text beside them.

import { s } from "./dom.js";

const PATHS = {
    alert: "M8 2.2 14.4 13.5H1.6ZM8 6.5v3.2M8 11.7v.1",
    check: "M3 8.5 6.5 12 13 4.5",
    close: "M4 4l8 8M12 4l-8 8",
    copy: "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
    dark: "M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5Z",
    light: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
    upload: "M8 11V3M4.5 6.5 8 3l3.5 3.5M3 13h10",
    down: "M4 6.5 8 10.5l4-4",
    full: "M5 3v10M8 3v10M11 3v10",
    // Phases of a job: each has a shape of its own, so that colour is not needed.
    starting: "M8 2.5a5.5 5.5 0 0 1 5.5 5.5",
    running: "M5 3.5v9l7.5-4.5Z",
    restarting: "M12.8 6A5.2 5.2 0 1 0 13 9.5M13 3v3.5H9.5",
    stopping: "M4 4h8v8H4Z",
    stopped: "M4.5 4.5h7v7h-7Z",
    finished: "M3 8.5 6.5 12 13 4.5",
    failed: "M4 4l8 8M12 4l-8 8",
};
const FILLED = new Set(["running", "stopped"]);

/** Returns an icon that screen readers skip. */
export function icon(name) {
    return s("svg", { class: `icon${FILLED.has(name) ? " filled" : ""}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
        s("path", { d: PATHS[name] }));
}

/** Flowgate's own sign. */
export function sign() {
    return s("svg", { class: "sign", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
        s("rect", { width: 32, height: 32, rx: 7 }),
        s("path", { d: "M5 10h7.5c3 0 3.5 6 6.5 6H27M5 22h7.5c3 0 3.5-6 6.5-6M16 5v5.5M16 21.5V27" }));
}
