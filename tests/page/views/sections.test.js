// The sections of a job, one test each.

import assert from "node:assert/strict";
import test from "node:test";
import { look, node, open, sees } from "../browser.js";

const section = (name) => open(node.tokens.operator, `#/t/acme/jobs/words/${name}`);

test("operators: all figures, and one in detail", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words/operators?operator=counts");
    await page.getByRole("table", { name: "On each worker" }).getByRole("row", { name: /^0 active/ }).waitFor();
    await page.getByRole("table", { name: /^Operators/ }).getByRole("row", { name: /^words transform/ }).waitFor();
    await look(page, "operators");
});

test("checkpoints: the last one, those that are kept, and a savepoint by hand", async () => {
    const page = await section("checkpoints");
    await page.getByRole("heading", { name: /^Last checkpoint: \d+/ }).waitFor();
    await page.locator(".panel").getByRole("button", { name: "Savepoint…" }).click();
    await page.getByLabel("Name").fill("by-hand");
    await page.getByRole("button", { name: "Take a savepoint" }).click();
    await sees(page, /Savepoint .*by-hand.* is complete/, ".notice.good");
    await page.getByRole("row", { name: /savepoint by-hand/ }).waitFor();
    await look(page, "checkpoints");
});

test("history: what has happened, newest first", async () => {
    const page = await section("history");
    await page.getByRole("row", { name: /submitted/ }).waitFor();
    const numbers = await page.locator("tbody th").allTextContents();
    assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a));
    await look(page, "history");
});

test("logs: live, and by level", async () => {
    const page = await section("logs");
    await sees(page, "the job runs", ".log");
    await sees(page, "Live");
    await look(page, "logs");
    await page.getByLabel("Level").selectOption("error");
    await page.getByText("the job runs").waitFor({ state: "detached" });
    assert.match(page.url(), /level=error/);
    await page.getByLabel("Follow").uncheck();
    await sees(page, "There are no such lines.");
});

test("tap: rows of an operator, bounded, and stopped", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words/tap?operator=words&rows=20");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await sees(page, "the tap has ended");
    await sees(page, "20 rows");
    await page.getByRole("columnheader", { name: "word" }).waitFor();
    assert.equal(await page.locator(".rows tbody tr").count(), 20);
    await look(page, "tap");
    await page.getByLabel("At most").selectOption("1000");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await sees(page, /rows?.*, live/);
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await sees(page, "the tap has ended");
});

test("explain: why nothing comes out", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words/explain?operator=bad");
    await page.locator(".findings li").first().waitFor();
    await look(page, "explain");
    await page.getByLabel("Operator").selectOption("counts");
    await sees(page, "counts", ".findings");
});

test("document: as it was submitted", async () => {
    const page = await section("document");
    await sees(page, "# Words of sentences that a generator makes", "pre");
    await page.getByRole("button", { name: "Copy document" }).waitFor();
    await look(page, "document");
});

test("a job that is stopped says how to see its graph", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/stopped");
    await sees(page, "Start it to see its graph");
    await look(page, "job-stopped");
});
