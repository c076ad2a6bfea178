// Recorded calls: those that ended without an answer, and their files.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { look, node, open, sees } from "../browser.js";
import { run } from "../machine.js";

test("a call that trapped is listed with its reason, saved, and read by the program", async () => {
    const page = await open(node.tokens.viewer, "#/t/acme/jobs/payments/records");
    const row = page.getByRole("row", { name: /^1-1 .*judged risk@1 risk on-batch 1 .*no rule is about the amount \d+99/ });
    await row.waitFor();
    await row.getByRole("link", { name: "risk@1" }).waitFor();
    await sees(page, "flowgate plugin replay payments-1-", ".again");
    await look(page, "records");
    const saved = page.waitForEvent("download");
    await row.getByRole("button", { name: "Download payments-1-1.json" }).click();
    const file = await saved;
    assert.equal(file.suggestedFilename(), "payments-1-1.json");
    await sees(page, "payments-1-1.json is saved", ".notice.good");
    const at = await file.path();
    assert.equal(JSON.parse(readFileSync(at)).call.operator, "judged");
    const shown = await run(["plugin", "replay", at]);
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout + shown.stderr, /judged/);
});

test("a record that is gone is told, and the list stays", async () => {
    const page = await open(node.tokens.viewer, "#/t/acme/jobs/payments/records");
    await page.route("**/records/1-1", (route) => route.fulfill({ status: 404, contentType: "application/problem+json", body: JSON.stringify({ status: 404, code: "not_found", title: "not found", detail: "there is no such recorded call" }) }));
    await page.getByRole("button", { name: "Download payments-1-1.json" }).click();
    await sees(page, "there is no such recorded call", ".notice.bad");
    await page.getByRole("row", { name: /^1-1 / }).waitFor();
});

test("a job whose calls were all answered says so", async () => {
    const page = await open(node.tokens.viewer, "#/t/acme/jobs/words/records");
    await sees(page, "Every call of the job's plugins was answered");
    await look(page, "records-none");
});
