// What the views show: two tenants, plugins in two versions, jobs that run, wait and have calls that trap.

import { readFileSync } from "node:fs";
import { built, plugin } from "./machine.js";

/** Sends a request to the API and returns its answer. */
export async function ask({ address, token }, method, path, body, type = "application/json") {
    const content = body === undefined || type !== "application/json" ? body : JSON.stringify(body);
    const response = await fetch(address + path, { method, headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "Content-Type": type }) }, body: content });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
}

/** The text of a job: sentences, their words, and how often each comes up. */
export function document(name, rate) {
    return `# Words of sentences that a generator makes, counted every two seconds.
job: ${name}
sources:
  sentences:
    generator:
      rate: ${rate}
      columns:
        text: { words: 4 }
        at: { now: {} }
    event_time: { column: at, max_out_of_orderness: 500ms }
operators:
  words:
    input: sentences
    plugin: text
    function: split_words
  counts:
    input: words
    key: [word]
    window: { tumbling: 2s }
    aggregate: { times: count() }
sinks:
  out: { input: counts, blackhole: {} }
  bad: { input: words.errors, blackhole: {} }
`;
}

/** What a tenant writes to have it taken for markup. */
export const HOSTILE = `<img src=x onerror="window.taken=1"><script>window.taken=1</script>`;

/** The text of a job whose function differs in its second version, and traps now and then. */
const PAYMENTS = `job: payments
sources:
  payments:
    generator:
      rate: 500
      batch_rows: 50
      columns:
        account: { choice: [a-17, b-4, c-230, '${HOSTILE}'] }
        amount: { int: { min: 100, max: 9999 } }
operators:
  judged: { input: payments, key: [account], plugin: risk@1, function: risk }
sinks:
  out: { input: judged, blackhole: {} }
  bad: { input: judged.errors, blackhole: {} }
`;

/** A component with other content that does the same: a section that nothing reads is at its end. */
export function changed(component) {
    return Buffer.concat([component, Buffer.from([0, 5, 4, 0x6e, 0x6f, 0x74, 0x65])]);
}

/** Fills a node. Returns its tokens: of the node, and of the tenant acme one of each role. */
export async function seed(node) {
    const of = (...parts) => ["/api/v1/tenants/acme", ...parts].join("/");
    await ask(node, "POST", "/api/v1/tenants", { name: "acme" });
    await ask(node, "POST", "/api/v1/tenants", { name: "globex" });
    const tokens = { node: node.token };
    for (const role of ["viewer", "operator", "admin"]) {
        tokens[role] = (await ask(node, "POST", of("tokens"), { name: `the-${role}`, role, expires_in_s: 3600 })).text;
    }
    const component = readFileSync(plugin("text"));
    await ask(node, "POST", of("plugins", "text"), component, "application/wasm");
    await ask(node, "PUT", of("secrets", "kafka_password"), { value: "not shown" });
    await ask(node, "POST", of("jobs"), { document: document("words", 500) });
    await ask(node, "POST", of("jobs"), { document: document("stopped", 10) });
    const first = await built({ isSecond: false });
    for (const risk of [first, await built({ isSecond: true }), changed(first)]) await ask(node, "POST", of("plugins", "risk"), risk, "application/wasm");
    await ask(node, "POST", of("jobs"), { document: PAYMENTS });
    // The jobs run with the first version: a document without a number has what is newest when it is submitted.
    await ask(node, "POST", of("plugins", "text"), changed(component), "application/wasm");
    await ask(node, "POST", of("jobs", "stopped", "stop"), {});
    await until(async () => (await ask(node, "GET", of("jobs", "stopped"))).phase === "stopped");
    await until(async () => (await ask(node, "GET", of("jobs", "words"))).status?.checkpoint);
    await until(async () => (await ask(node, "GET", of("jobs", "payments", "records"))).items.length > 0);
    return { tokens };
}

/** Asks until it is so. */
export async function until(so, ms = 30_000) {
    const from = Date.now();
    while (!(await so())) {
        if (Date.now() - from > ms) throw new Error(`not so within ${ms} ms: ${so}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}
