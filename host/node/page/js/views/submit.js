// A new job: a document from a file or by hand, a check first.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { icon } from "../icons.js";
import * as notices from "../notices.js";
import { button, copied, field, panel, select, waiting } from "../parts.js";
import { go, href, jobHref } from "../router.js";
import { viewHead } from "../shell.js";

const ENDINGS = { yaml: "yaml", yml: "yaml", toml: "toml", json: "json" };

export function submitView({ root, tenant }) {
    const text = h("textarea", { class: "code", rows: 18, spellcheck: "false", autocapitalize: "off", placeholder: "job: readings\nsources:\n  ...", on: { input: show } });
    const file = h("input", { type: "file", accept: ".yaml,.yml,.toml,.json", class: "unseen", id: "job-file", on: { change: read } });
    const language = select([["yaml", "YAML"], ["toml", "TOML"], ["json", "JSON"]], "yaml", null);
    const workers = h("input", { type: "number", min: 1, max: 256, placeholder: "as the document says" });
    const check = button("Check", () => send(true));
    const submit = button("Submit", () => send(false), { kind: "primary" });
    const result = h("div", { "aria-live": "polite" });
    // One key a document: a request that is repeated after an error submits the job once.
    let key = null;
    put(root, viewHead("Submit a job", { trail: [["Jobs", href(["t", tenant, "jobs"])]] }),
        panel("Job file", { hint: "A plugin of the registry: plugin: sensors (the newest), or sensors@2.", actions: [file, h("label", { class: "button", for: "job-file" }, "Choose a file")] },
            field("Document", text),
            h("div", { class: "form-grid" }, field("Language", language), field("Workers", workers)),
            h("div", { class: "actions start" }, submit, check), result),
        panel("From the program", {}, h("p", {}, "The same from any machine that is signed in:"), copied("flowgate job submit job.yaml", "Command")));
    show();

    function show() {
        key = null;
        check.disabled = submit.disabled = text.value.trim() === "";
    }

    async function read() {
        const chosen = file.files[0];
        if (!chosen) return;
        text.value = await chosen.text();
        language.value = ENDINGS[chosen.name.split(".").at(-1).toLowerCase()] ?? "yaml";
        show();
    }

    async function send(checkOnly) {
        key ??= randomKey();
        const body = { document: text.value, language: language.value, check_only: checkOnly };
        if (!checkOnly) body.idempotency_key = key;
        if (workers.value) body.parallelism = Number(workers.value);
        check.disabled = submit.disabled = true;
        put(result, waiting(checkOnly ? "The node checks the job" : "The node checks the job and starts it"));
        try {
            const answer = await api.post(api.of(tenant, "jobs"), body);
            if (!checkOnly) {
                notices.done(`The job ${answer.name} was submitted.`);
                return go(jobHref(tenant, answer.name));
            }
            put(result, h("div", { class: "outcome good" }, h("p", { class: "strong" }, icon("check"), "The job is right."), answer.warnings && h("pre", { class: "detail" }, answer.warnings), answer.picture && h("pre", { class: "detail" }, answer.picture)));
        } catch (error) {
            put(result, notices.inPlace(error));
        }
        check.disabled = submit.disabled = false;
    }
}

function randomKey() {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
