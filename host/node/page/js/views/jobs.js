// The jobs of a tenant: a stream says what changes; while it is lost, the list is asked for.

import * as api from "../api.js";
import { h, put, say } from "../dom.js";
import * as format from "../format.js";
import { empty, select, time } from "../parts.js";
import { faultMark, PHASES, phaseMark } from "../phase.js";
import { poll, shown, whileShown } from "../poll.js";
import { Rates } from "../rates.js";
import { href, jobHref, note } from "../router.js";
import * as session from "../session.js";
import { viewHead } from "../shell.js";
import * as standing from "../standing.js";
import { stream } from "../stream.js";
import { table } from "../table.js";

/** While the stream is there, the list is still asked for at times. */
const ASK_MS = 2_000;
const ASK_STREAMING_MS = 15_000;
/** Jobs whose rates are computed here, where the node does not tell them. */
const ASKED_MAX = 20;
const WINDOW_MS = 6_000;

export async function jobsView({ root, signal, tenant, query }) {
    const submit = session.allows("operator") && h("a", { class: "button primary", href: href(["t", tenant, "submit"]) }, "Submit a job");
    const wanted = { text: query.get("find") ?? "", phase: query.get("phase") ?? "" };
    const find = h("input", { type: "search", value: wanted.text, placeholder: "Find a job", "aria-label": "Find a job", on: { input: filter } });
    const phase = select([["", "All phases"], ...PHASES.map((name) => [name, name])], wanted.phase, filter, { "aria-label": "Phase" });
    const summary = h("p", { class: "muted" });
    const content = h("div");
    put(root, viewHead("Jobs", { beside: summary, actions: submit }), h("div", { class: "filters" }, find, phase), h("section", { class: "panel" }, content));

    const jobs = new Map();
    const rates = new Map();
    const list = jobTable(tenant, rates);
    let streaming = false;
    let askedAt = 0;

    await load();
    follow();
    await poll(ask, ASK_MS, signal, (error) => { put(content, errorRow(error)); return true; });

    async function load() {
        const items = await api.all(api.of(tenant, "jobs"), signal);
        const known = new Map(jobs);
        jobs.clear();
        // The list has no figures: those of the stream stay.
        for (const job of items) known.has(job.name) && streaming ? jobs.set(job.name, { ...known.get(job.name), ...job }) : jobs.set(job.name, job);
        askedAt = Date.now();
        draw();
    }

    function take(job) {
        jobs.set(job.name, job);
        figuresOf(rates, job.name).count(job);
    }

    async function ask() {
        if (!streaming || Date.now() - askedAt > ASK_STREAMING_MS) await load();
        const unknown = [...jobs.values()].filter((job) => job.phase === "running" && job.rows_per_s === undefined).slice(0, ASKED_MAX);
        for (const job of unknown) {
            const detail = await api.get(api.of(tenant, "jobs", job.name), signal).catch(() => null);
            if (detail?.status) figuresOf(rates, job.name).take(detail.status);
        }
        if (unknown.length > 0) draw();
    }

    async function follow() {
        while (!signal.aborted) {
            await shown(signal);
            if (signal.aborted) return;
            const onEvent = ({ event, data }) => {
                const told = JSON.parse(data);
                if (event === "job") take(told);
                if (event === "gone") jobs.delete(told);
                draw();
            };
            const refused = await stream(api.of(tenant, "events"), { signal: whileShown(signal), onEvent, onState: (state) => { streaming = state === "open"; } }).catch(() => true);
            streaming = false;
            if (refused) return;
        }
    }

    function filter() {
        Object.assign(wanted, { text: find.value, phase: phase.value });
        note({ find: wanted.text, phase: wanted.phase });
        draw();
    }

    function draw() {
        if (signal.aborted) return;
        const items = [...jobs.values()].sort((a, b) => a.name.localeCompare(b.name));
        const running = items.filter((job) => job.phase === "running").length;
        say(summary, items.length === 0 ? "" : `${format.plural(items.length, "job")}, ${running} running`);
        const seen = items.filter((job) => job.name.toLowerCase().includes(wanted.text.toLowerCase()) && (!wanted.phase || job.phase === wanted.phase));
        if (items.length === 0) return put(content, empty("There are no jobs yet. Submit a job file:", "flowgate job submit job.yaml"));
        if (seen.length === 0) return put(content, empty("No job is of that name and phase."));
        if (list.element.parentNode !== content) put(content, list.element);
        list.update(seen);
    }
}

function errorRow(error) {
    return h("p", { class: "detail", role: "alert" }, error.detail ?? String(error));
}

/** The figures of a job: told by the stream, or computed from its Status. */
class Figures {
    rates = new Rates();
    lag = null;
    #counts = [];

    take(status) {
        this.rates.push(status);
        this.lag = standing.jobLag(status);
    }

    /** Takes what the stream tells: what was written a second follows from the rows of some seconds before. */
    count({ rows_out: rows, attempt }) {
        const now = performance.now();
        if (this.#counts.at(-1)?.attempt !== attempt) this.#counts = [];
        this.#counts = [...this.#counts.filter((count) => count.at > now - WINDOW_MS), { at: now, rows, attempt }];
    }

    written() {
        const [first, last] = [this.#counts[0], this.#counts.at(-1)];
        return first === last ? null : Math.max(0, last.rows - first.rows) / ((last.at - first.at) / 1000);
    }
}

function figuresOf(all, name) {
    if (!all.has(name)) all.set(name, new Figures());
    return all.get(name);
}

function figures(all, job) {
    const own = all.get(job.name);
    if (job.phase !== "running" || !own) return {};
    if (job.rows_per_s !== undefined) return { read: job.rows_per_s, written: own.written(), lag: job.lag_ms };
    return { ...own.rates.total(), lag: own.lag };
}

function jobTable(tenant, rates) {
    const rateText = (value) => value === undefined || value === null ? "–" : format.rate(value);
    return table({
        caption: "Jobs",
        key: (job) => job.name,
        columns: [
            { head: "Job", text: (job) => job.name, node: (job) => h("a", { class: "strong", href: jobHref(tenant, job.name) }, job.name) },
            { head: "Phase", text: (job) => `${job.phase} ${job.next_attempt_ms}`, node: (job) => [phaseMark(job.phase), job.next_attempt_ms ? [" ", h("span", { class: "muted" }, "again ", time(job.next_attempt_ms))] : null] },
            { head: "Read", number: true, text: (job) => rateText(figures(rates, job).read) },
            { head: "Written", number: true, text: (job) => rateText(figures(rates, job).written) },
            { head: "Lag", number: true, text: (job) => standing.lagWord(figures(rates, job).lag) },
            { head: "Restarts", number: true, text: (job) => format.count(job.restarts) },
            { head: "Since", text: (job) => job.attempt_ms ?? job.submitted_ms, node: (job) => time(job.attempt_ms ?? job.submitted_ms) },
            {
                head: "Last failure", wide: true, text: (job) => job.failure ? `${job.failure.fault} ${job.failure.message}` : "",
                node: (job) => job.failure ? h("span", { class: "clipped", title: job.failure.message }, faultMark(job.failure.fault), " ", job.failure.message) : h("span", { class: "muted" }, "none"),
            },
        ],
    });
}
