// Server-sent events over fetch: EventSource cannot send the header that has the token.

import { Problem, send } from "./api.js";

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;

/**
 * Reads events until `signal` aborts, and connects again where the connection ends, later each time.
 *
 * `onEvent({event, data, id})` receives each event; `onState` receives `open`, `lost` (it will try again) or `refused`.
 * With `once`, a stream that ends is not read again: it had an end.
 */
export async function stream(path, { signal, onEvent, onState, once = false }) {
    let delay = RETRY_MS_MIN;
    while (!signal.aborted) {
        try {
            const response = await send("GET", path, { signal, accept: "text/event-stream" });
            onState?.("open");
            delay = RETRY_MS_MIN;
            await read(response.body, onEvent);
            if (once) return;
        } catch (error) {
            if (signal.aborted) return;
            const final = error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429;
            if (final || (once && error instanceof Problem)) {
                onState?.("refused", error);
                throw error;
            }
        }
        if (signal.aborted) return;
        onState?.("lost");
        await pause(delay * (0.75 + Math.random() / 2), signal);
        delay = Math.min(delay * 2, RETRY_MS_MAX);
    }
}

async function read(body, onEvent) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new Parser(onEvent);
    for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        parser.push(value);
    }
}

/** Reads the format of server-sent events (WHATWG HTML, section 9.2.6) from pieces of text. */
export class Parser {
    #rest = "";
    #event = "";
    #data = [];
    #id;
    #onEvent;

    constructor(onEvent) {
        this.#onEvent = onEvent;
    }

    push(text) {
        const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
        this.#rest = lines.pop();
        for (const line of lines) this.#line(line);
    }

    #line(line) {
        if (line === "") {
            if (this.#data.length > 0) this.#onEvent({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
            this.#event = "";
            this.#data = [];
            return;
        }
        const colon = line.indexOf(":");
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "event") this.#event = value;
        if (field === "data") this.#data.push(value);
        if (field === "id") this.#id = value;
    }
}

/** Waits, or less where `signal` aborts. */
export function pause(ms, signal) {
    return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
    });
}
