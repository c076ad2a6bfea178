// What can be done with a job. Each action is confirmed in a dialog.

import assert from "node:assert/strict";
import test from "node:test";
import { heading, look, node, open, sees } from "../browser.js";
import { ask, document } from "../seed.js";

const operator = { address: node.address, token: node.tokens.operator };

test("a job is checked, submitted, stopped, started, rescaled and deleted", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/submit");
    await page.getByLabel("Document").fill("job: made\nsinks: {}\n");
    await page.getByRole("button", { name: "Check" }).click();
    await sees(page, "Not valid", ".notice.bad");
    await look(page, "submit");
    await page.getByLabel("Document").fill(document("made", 20));
    await page.getByRole("button", { name: "Check" }).click();
    await sees(page, "The job is right", ".outcome");
    await page.getByRole("button", { name: "Submit", exact: true }).click();
    await heading(page, "made");
    await sees(page, "running", ".view-title");

    await page.getByRole("button", { name: "Rescale…" }).click();
    await page.getByLabel("Workers").fill("2");
    await page.getByRole("dialog").getByRole("button", { name: "Rescale" }).click();
    await sees(page, "made runs with 2 workers", ".notice.good");

    await page.getByRole("button", { name: "Stop…" }).click();
    await sees(page, "The job's sources stop reading.", "dialog");
    await look(page, "stop");
    await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
    await sees(page, "stopped", ".view-title");

    await page.getByRole("button", { name: "Start" }).click();
    await sees(page, "running", ".view-title");
    await page.getByRole("button", { name: "Restart…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Restart" }).click();
    await sees(page, "Attempt 4", ".facts-line");

    await page.getByRole("button", { name: "Stop…" }).click();
    await page.getByLabel(/^Cancel the job/).check();
    await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
    await sees(page, "stopped", ".view-title");
    await page.getByRole("button", { name: "Delete…" }).click();
    const go = page.getByRole("button", { name: "Delete the job" });
    assert.ok(await go.isDisabled(), "the name has to be typed");
    await page.getByLabel("Type made to go on").fill("made");
    await go.click();
    await heading(page, "Jobs");
    assert.ok(!(await ask(operator, "GET", "/api/v1/tenants/acme/jobs")).items.some((job) => job.name === "made"));
});

test("a dialog keeps the focus, closes by Escape, and returns the focus", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words");
    const button = page.getByRole("button", { name: "Stop…" });
    await button.click();
    const dialog = page.getByRole("dialog", { name: "Stop words" });
    await dialog.waitFor();
    for (let presses = 0; presses < 12; presses += 1) {
        await page.keyboard.press("Tab");
        const where = await page.evaluate(() => document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement));
        assert.ok(where, `the focus is outside after ${presses + 1} presses`);
    }
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Stop…");
});

test("what the node refuses stays in the dialog until it is mended", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words");
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByLabel("Type words to go on").fill("words");
    await page.getByRole("button", { name: "Delete the job" }).click();
    await page.locator("dialog .notice.bad").waitFor();
    await look(page, "refused");
});

test("a lost node is told, and the page goes on when it answers", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words");
    await page.locator(".graph .node").first().waitFor();
    await page.context().setOffline(true);
    await sees(page, "The node does not answer.", ".notice.warn");
    // The browser tells of each request that it could not send.
    page.problems = page.problems.filter((text) => !text.includes("ERR_INTERNET_DISCONNECTED"));
    await page.context().setOffline(false);
    await page.locator(".notice.warn").waitFor({ state: "detached" });
});
