// What can be done with a job. Each action is confirmed, and the confirmation says what happens.

import * as api from "../api.js";
import { h } from "../dom.js";
import { confirm, dialog } from "../dialog.js";
import * as format from "../format.js";
import * as notices from "../notices.js";
import { followInNotice } from "../operations.js";
import { button, field } from "../parts.js";
import { isAlive } from "../phase.js";
import { go, href } from "../router.js";
import * as session from "../session.js";

/** The buttons for a job in its phase. */
export function actionsOf(view, job) {
    if (!session.allows("operator")) return [];
    const alive = isAlive(job.phase) || job.phase === "restarting";
    const running = job.phase === "running";
    return [
        !alive && job.phase !== "finished" && button("Start", () => start(view)),
        alive && job.phase !== "stopping" && button("Stop…", () => stop(view)),
        job.phase === "stopping" && button("Cancel…", () => cancel(view)),
        alive && button("Restart…", () => restart(view)),
        running && button("Savepoint…", () => savepoint(view)),
        running && button("Rescale…", () => rescale(view, job)),
        button("Delete…", () => deleteJob(view, alive), { kind: "danger" }),
    ].filter(Boolean);
}

async function start({ path, name, ask }) {
    try {
        await api.post(path("start"));
        notices.done(`${name} starts, and goes on from its last checkpoint.`);
        await ask();
    } catch (error) {
        notices.problem(error);
    }
}

async function stop({ path, name, ask }) {
    const drain = h("input", { type: "radio", name: "how", value: "drain" });
    const plain = h("input", { type: "radio", name: "how", value: "plain", checked: true });
    const saved = h("input", { type: "radio", name: "how", value: "savepoint" });
    const cancelled = h("input", { type: "radio", name: "how", value: "cancel" });
    const savepointName = h("input", { type: "text", placeholder: "a name with the time", autocomplete: "off", spellcheck: "false" });
    const option = (input, title, what) => h("label", { class: "option" }, input, h("span", {}, h("strong", {}, title), h("span", { class: "hint" }, what)));
    await confirm({
        title: `Stop ${name}`,
        what: "The job's sources stop reading. Rows that were read reach the sinks.",
        extra: h("fieldset", {}, h("legend", {}, "How"),
            option(plain, "Stop", "With a checkpoint. Open windows emit nothing; started again, the job goes on where it was."),
            option(saved, "Stop with a savepoint", "The same, and the savepoint is kept under its name, for another job or version."),
            field("Name of the savepoint", savepointName),
            option(drain, "Drain", "Open windows emit the results that they have so far, and the job has ended. Started again, it does not repeat them."),
            option(cancelled, "Cancel the job", "The process ends at once, without a checkpoint. Started again, the job goes on from its last checkpoint and reads rows since then again.")),
        action: "Stop",
        submit: async () => {
            if (cancelled.checked) {
                await api.post(path("cancel"));
                notices.done(`${name} was cancelled.`);
            } else {
                const body = { drain: drain.checked };
                if (saved.checked) body.savepoint = savepointName.value.trim() || `stop-${stamp()}`;
                followInNotice(await api.post(path("stop"), body), `${name} stops`, () => `${name} has stopped.`);
            }
            ask().catch(notices.problem);
        },
    });
}

async function cancel({ path, name, ask }) {
    await confirm({
        title: `Cancel ${name}`,
        what: ["The process ends at once, without waiting for the stop.", "Started again, the job goes on from its last checkpoint and reads rows since then again."],
        action: "Cancel the job",
        danger: true,
        submit: async () => {
            await api.post(path("cancel"));
            notices.done(`${name} was cancelled.`);
            ask().catch(notices.problem);
        },
    });
}

async function restart({ path, name, ask }) {
    await confirm({
        title: `Restart ${name}`,
        what: ["The process ends, and a new attempt begins from the last checkpoint.", "Rows since that checkpoint are read again. Sinks that commit with checkpoints write nothing twice."],
        action: "Restart",
        submit: async () => {
            await api.post(path("restart"));
            notices.done(`${name} restarts.`);
            ask().catch(notices.problem);
        },
    });
}

/** Takes a savepoint. */
export async function savepoint({ path, name }) {
    const input = h("input", { type: "text", placeholder: "a name with the time", autocomplete: "off", spellcheck: "false" });
    await dialog({
        title: `Take a savepoint of ${name}`,
        body: [h("p", {}, "The job goes on meanwhile. A savepoint is kept until somebody deletes it; another job or version can start from it."), field("Name", input, "Letters, digits, - and _; empty: one with the time.")],
        action: "Take a savepoint",
        submit: async () => {
            const chosen = input.value.trim();
            const operation = await api.post(path("savepoints"), chosen ? { name: chosen } : {});
            followInNotice(operation, "Savepoint", (result) => `Savepoint ${result?.savepoint ?? ""} is complete${result?.bytes === undefined ? "" : `: ${format.bytes(result.bytes)}`}.`);
        },
    });
}

async function rescale({ path, name }, job) {
    const input = h("input", { type: "number", min: 1, max: 256, required: true, value: String(job.parallelism) });
    await dialog({
        title: `Rescale ${name}`,
        body: [
            h("p", {}, "The job stops with a savepoint, and starts from it with another number of workers. Its state is divided among them by key group; no row is lost or read twice."),
            field("Workers", input, `It has ${format.plural(job.parallelism, "worker")} now. The tenant's quotas limit the number.`),
        ],
        action: "Rescale",
        ready: () => input.checkValidity() && Number(input.value) !== job.parallelism,
        submit: async () => {
            const parallelism = Number(input.value);
            followInNotice(await api.put(path(), { parallelism }), `${name} is rescaled`, () => `${name} runs with ${format.plural(parallelism, "worker")}.`);
        },
    });
}

async function deleteJob({ path, name, tenant }, alive) {
    const gone = await confirm({
        title: `Delete ${name}`,
        what: alive
            ? ["The job runs. The node refuses to delete a job that runs: stop it first."]
            : ["The job, its checkpoints and savepoints in the node's stores, its logs and its history are removed.", "This cannot be taken back. What its sinks have written stays."],
        action: "Delete the job",
        danger: true,
        name,
        submit: () => api.remove(path()),
    });
    if (!gone) return;
    notices.done(`${name} was deleted.`);
    go(href(["t", tenant, "jobs"]));
}

/** The time as a part of a name: `20261128-225130`. */
function stamp() {
    return new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
}
