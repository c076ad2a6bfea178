// Hostile texts, small screens, themes: what holds in every view.

import assert from "node:assert/strict";
import test from "node:test";
import { heading, look, node, open, sees } from "../browser.js";
import { ask, document, HOSTILE, until } from "../seed.js";

const operator = { address: node.address, token: node.tokens.operator };
const of = (...parts) => ["/api/v1/tenants/acme", ...parts].join("/");

test("what a tenant writes is text, wherever it is shown", async () => {
    await ask(operator, "POST", of("jobs"), { document: `# ${HOSTILE}\n${document("hostile", 50).replace("at: { now: {} }", `at: { now: {} }\n        note: { choice: ['${HOSTILE}'] }`)}` });
    await until(async () => (await ask(operator, "GET", of("jobs", "hostile"))).phase === "running");
    const page = await open(node.tokens.operator, "#/t/acme/jobs/hostile/document");
    await sees(page, HOSTILE, "pre");
    const tap = await open(node.tokens.operator, "#/t/acme/jobs/hostile/tap?operator=sentences&rows=20");
    await tap.getByRole("button", { name: "Start", exact: true }).click();
    await sees(tap, HOSTILE, ".rows");
    const strange = await open(node.tokens.operator, `#/t/acme/jobs/${encodeURIComponent(HOSTILE)}`);
    await strange.locator("[role=alert]").waitFor();
    for (const one of [page, tap, strange]) {
        assert.equal(await one.evaluate(() => window.taken), undefined);
        assert.equal(await one.locator("main img, main script").count(), 0);
        assert.deepEqual(one.problems, []);
    }
    await ask(operator, "POST", of("jobs", "hostile", "cancel"), {});
});

test("every view fits a screen of 360 pixels", async () => {
    const views = ["jobs", "jobs/words", "jobs/words/operators?operator=counts", "jobs/words/swap", "jobs/payments/swap", "jobs/payments/records", "jobs/words/logs", "jobs/words/tap", "jobs/words/document", "plugins", "plugins/text", "quotas", "secrets", "tokens", "submit"];
    for (const view of views) {
        const page = await open(node.tokens.admin, `#/t/acme/${view}`, { width: 360, height: 780 });
        await page.locator("h1").waitFor();
        await page.waitForLoadState("networkidle", { timeout: 1500 }).catch(() => {});
        await look(page, `small-${view.replace(/\W+/g, "-")}`);
        await page.context().close();
    }
});

test("the theme follows the system until one is chosen, and the choice stays", async () => {
    const page = await open(node.tokens.viewer, "#/t/acme/jobs", { colorScheme: "dark" });
    await heading(page, "Jobs");
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await ground();
    await page.getByRole("button", { name: "Change to the light theme" }).click();
    assert.notEqual(await ground(), dark);
    await page.reload();
    await heading(page, "Jobs");
    assert.notEqual(await ground(), dark);
    await page.getByRole("button", { name: "Change to the dark theme" }).click();
    assert.equal(await ground(), dark);
});

test("nothing turns for those who want less motion", async () => {
    const page = await open(node.tokens.viewer, "#/t/acme/jobs", { reducedMotion: "reduce" });
    await heading(page, "Jobs");
    assert.equal(await page.evaluate(() => document.getAnimations().filter((one) => one.playState === "running").length), 0);
});

test("a hidden tab asks nothing", async () => {
    const page = await open(node.tokens.viewer, "#/t/acme/jobs/words");
    await page.locator(".graph .node").first().waitFor();
    await page.evaluate(() => {
        Object.defineProperty(document, "hidden", { get: () => window.isHidden, configurable: true });
        window.isHidden = true;
        document.dispatchEvent(new Event("visibilitychange"));
    });
    await page.waitForTimeout(1500);
    let asked = 0;
    page.on("request", () => { asked += 1; });
    await page.waitForTimeout(2500);
    assert.equal(asked, 0);
    await page.evaluate(() => { window.isHidden = false; document.dispatchEvent(new Event("visibilitychange")); });
    await page.waitForRequest(/jobs\/words$/);
});
