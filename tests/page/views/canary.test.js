// A canary of a job that runs: another version beside its own, what differs, and an end before its time.

import assert from "node:assert/strict";
import test, { afterEach } from "node:test";
import { look, node, open, sees } from "../browser.js";
import { ask, HOSTILE, until } from "../seed.js";

const operator = { address: node.address, token: node.tokens.operator };
const of = (...parts) => ["/api/v1/tenants/acme", ...parts].join("/");

/** What a test that fails leaves behind would fail the next one, too. */
afterEach(async () => {
    await ask(operator, "DELETE", of("jobs", "payments", "canary")).catch(() => {});
    await until(async () => (await ask(operator, "GET", of("operations?job=payments&kind=canary"))).items.every((one) => one.end));
});

/** Opens the section, and begins a canary of another version by the dialog. */
async function begin({ version, share, seconds }) {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/payments/swap");
    await page.getByLabel("Version that it gets").selectOption(version);
    await page.getByRole("button", { name: "Canary…" }).click();
    const dialog = page.getByRole("dialog", { name: `Run ${version} beside risk@1` });
    await dialog.getByLabel("Share, %").fill(String(share));
    await dialog.getByLabel("Time, s").fill(String(seconds));
    return { page, dialog, start: () => dialog.getByRole("button", { name: "Start the canary" }).click() };
}

const panelOf = (page) => page.locator("section.panel").filter({ has: page.getByRole("heading", { name: /^Canary/ }) });

test("a canary shows what differs while it runs, is ended early, and is in the history", async () => {
    const { page, dialog, start } = await begin({ version: "risk@2", share: 0, seconds: 3600 });
    const go = dialog.getByRole("button", { name: "Start the canary" });
    assert.ok(await go.isDisabled(), "a share is over 0");
    await dialog.getByLabel("Share, %").fill("100");
    await look(page, "canary-dialog");
    await start();
    const panel = panelOf(page);
    await page.getByRole("heading", { name: "Canary of judged: risk@2 beside risk@1" }).waitFor();
    assert.match(await page.evaluate(() => document.activeElement.textContent), /^Canary/, "the focus is where the canary is");
    await sees(page, /rows? differ/, ".verdict.bad");
    await sees(page, /The canary has found a difference/, "#said");
    await sees(page, "an amount that ends in 1 is suspicious", ".texts");
    await sees(page, /100% of the keys or calls for 1 h/, ".canary-state");
    const table = page.getByRole("table", { name: "The first differences" });
    await table.getByRole("columnheader", { name: "risk@1" }).waitFor();
    await table.getByRole("row", { name: /total \d+ \d+/ }).first().waitFor();
    await table.getByText("state slot").first().waitFor();
    await table.getByText("failed: an amount that ends in 1").first().waitFor();
    assert.ok(await page.getByRole("button", { name: "Canary…" }).isDisabled(), "one at a time");
    await page.getByRole("heading", { name: /^Canary of/ }).scrollIntoViewIfNeeded();
    await look(page, "canary-runs");

    const another = await open(node.tokens.viewer, "#/t/acme/jobs/payments/swap");
    await sees(another, /rows? differ/, ".verdict.bad");
    assert.equal(await another.getByRole("button", { name: "End it" }).count(), 0, "a viewer ends nothing");

    await panel.getByRole("button", { name: "End it" }).focus();
    await page.keyboard.press("Enter");
    await sees(page, "It has ended: it was ended.", ".canary-state");
    assert.match(await page.evaluate(() => document.activeElement.textContent), /^Canary of/, "the focus is not lost with the button");
    assert.equal(await panel.getByRole("button", { name: "End it" }).count(), 0);
    await look(page, "canary-ended");
    await page.getByRole("link", { name: "History" }).click();
    await page.getByRole("row", { name: /canary the-operator a canary of `judged`, risk@2 beside risk@1: .* differ \(it was ended\)/ }).waitFor();
    const job = await ask(operator, "GET", of("jobs", "payments"));
    assert.equal(job.plugins[0].version, "risk@1", "nothing of the job changes");
});

test("what a tenant's rows have is text in a report", async () => {
    const { page, start } = await begin({ version: "risk@2", share: 100, seconds: 3600 });
    await start();
    // The first differences are of some keys at random: this one is asked for until it is there.
    await page.route(/operations\?/, async (route) => {
        const response = await route.fetch();
        const list = await response.json();
        for (const one of list.items) for (const difference of one.so_far?.found.differences ?? []) Object.assign(difference, { given: HOSTILE, name: HOSTILE, columns: [{ column: HOSTILE, old: HOSTILE, new: HOSTILE.repeat(9) }] });
        await route.fulfill({ response, json: list });
    });
    await sees(page, HOSTILE, ".differences");
    assert.equal(await page.evaluate(() => window.taken), undefined);
    assert.equal(await page.locator("main img, main script").count(), 0);
    await look(page, "canary-hostile");
});

test("a canary of the same content finds no difference, and ends by itself", async () => {
    const { page, start } = await begin({ version: "risk@3", share: 50, seconds: 2 });
    await start();
    await sees(page, "It has ended: its time is over.", ".canary-state");
    await sees(page, /No difference in [\d,]+ rows?\./, ".verdict.good");
    await sees(page, "The canary has ended. No difference", "#said");
    assert.equal(await page.getByRole("table", { name: "The first differences" }).count(), 0);
    await look(page, "canary-equal");
});

test("what does not fit is refused in words, and nothing runs", async () => {
    const { page, start } = await begin({ version: "text@1", share: 5, seconds: 60 });
    await start();
    await sees(page, "It did not run.", ".canary-state");
    await sees(page, /risk/, ".outcome.bad");
    await look(page, "canary-refused");
});
