// Rates: counters of a Status, compared with those of some seconds before.

import { kind } from "./standing.js";

const WINDOW_MS = 5_000;
const HISTORY = 60;
const COUNTERS = { in: "rows_in", out: "rows_out", errors: "errors", late: "late" };

/** The rates of a job and of its operators. */
export class Rates {
    #samples = [];
    #rates = new Map();
    /** The last rates of rows that are read, oldest first, for a line. */
    read = [];
    /** The last rates of rows that are written. */
    written = [];

    /** Takes a new Status. A job that was started anew counts from 0. */
    push(status) {
        const last = this.#samples.at(-1);
        if (last && last.now_ms === status.now_ms) return;
        if (last && (last.since_ms !== status.since_ms || last.now_ms > status.now_ms)) this.#samples = [];
        this.#samples.push(sample(status));
        while (this.#samples.length > 2 && this.#samples[1].now_ms <= status.now_ms - WINDOW_MS) this.#samples.shift();
        this.#compare();
        const total = this.total();
        if (!total) return;
        this.read = [...this.read, total.read].slice(-HISTORY);
        this.written = [...this.written, total.written].slice(-HISTORY);
    }

    #compare() {
        const [first, last] = [this.#samples[0], this.#samples.at(-1)];
        const seconds = (last.now_ms - first.now_ms) / 1000;
        this.#rates = new Map();
        if (seconds <= 0) return;
        for (const [name, counts] of last.operators) {
            const before = first.operators.get(name);
            if (!before) continue;
            const rate = { kind: counts.kind };
            for (const counter of Object.keys(COUNTERS)) rate[counter] = Math.max(0, counts[counter] - before[counter]) / seconds;
            this.#rates.set(name, rate);
        }
    }

    /** The rates of an operator, rows a second: `{in, out, errors, late}`; undefined: not known yet. */
    of(name) {
        return this.#rates.get(name);
    }

    /** What all sources read and all sinks take, rows a second; null: not known yet. */
    total() {
        if (this.#rates.size === 0) return null;
        const sum = (of, counter) => [...this.#rates.values()].filter((rate) => rate.kind === of).reduce((all, rate) => all + rate[counter], 0);
        return { read: sum("source", "in"), written: sum("sink", "in") };
    }
}

function sample(status) {
    const operators = new Map(status.operators.map((operator) => {
        const counts = { kind: kind(operator) };
        for (const [counter, field] of Object.entries(COUNTERS)) counts[counter] = operator[field];
        return [operator.name, counts];
    }));
    return { now_ms: status.now_ms, since_ms: status.since_ms, operators };
}
