// The overview of a job: its figures and its graph.

import assert from "node:assert/strict";
import test from "node:test";
import { heading, look, node, open, sees } from "../browser.js";

test("the graph has every operator, live rates on its edges, and a table that says the same", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words");
    await heading(page, "words");
    const graph = page.getByRole("region", { name: "The graph of the job" });
    for (const name of ["sentences", "words", "counts", "out", "bad"]) await graph.getByRole("link", { name: new RegExp(`^${name}`) }).waitFor();
    assert.equal(await graph.locator(".edge").count(), 4);
    await sees(page, /[1-9].* rows\/s/, ".edge-rate");
    await sees(page, /lag \d/, ".edge-lag");
    await sees(page, /rows\/s/, ".tile");
    await look(page, "job");
    await page.getByText("The graph as a table").click();
    await page.getByRole("table", { name: "Edges of the graph" }).getByRole("row", { name: /sentences main words/ }).waitFor();
    await look(page, "job-table");
});

test("an operator is reached by the keyboard, and the back button returns", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words");
    const link = page.locator(".graph .node").filter({ hasText: "counts" });
    await link.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "counts" }).waitFor();
    assert.match(page.url(), /operators\?operator=counts$/);
    await page.goBack();
    await page.getByRole("region", { name: "The graph of the job" }).waitFor();
});

test("the first key in the page goes to the content", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words");
    await heading(page, "words");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

test("backpressure is on an edge as a word and a shape, not as a colour alone", async () => {
    const page = await open(null, "#/");
    await page.route("**/jobs/words", async (route) => {
        const response = await route.fetch();
        const detail = await response.json();
        const waiting = detail.status?.operators.find((operator) => operator.name === "counts");
        if (waiting) waiting.rows_wait_since_ms = detail.status.now_ms - 12_000;
        await route.fulfill({ response, json: detail });
    });
    await page.getByLabel("Token").fill(node.tokens.viewer);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "words" }).click();
    await sees(page, "waits 12 s", ".edge-full");
    assert.equal(await page.locator(".graph .edge.full").count(), 1);
    const dashes = await page.locator(".graph .edge.full").evaluate((edge) => getComputedStyle(edge).strokeDasharray);
    assert.notEqual(dashes, "none");
    await look(page, "job-backpressure");
});
