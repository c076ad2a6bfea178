// A browser that is signed in, and what every view has to pass: no error, no overflow, no violation of accessibility.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before } from "node:test";
import { chromium as playwright } from "playwright-core";
import { chromium } from "./machine.js";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const WAIT_MS = 15_000;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The node that `run.js` has started: `{address, tokens}`. */
export const node = JSON.parse(process.env.FLOWGATE_PAGE ?? "null") ?? assert.fail("start the tests with run.js");

let browser;

before(async () => {
    browser = await playwright.launch({ executablePath: chromium(), args: FLAGS });
});

after(() => browser.close());

/** Opens the page at an address behind `#`, signed in with a token; without one, signed out. */
export async function open(token, hash, { width = 1280, height = 900, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: "light", ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.problems = [];
    page.on("pageerror", (error) => page.problems.push(String(error)));
    // A response that refuses is told by the browser, too; the page shows it, and the test looks at that.
    page.on("console", (message) => message.type() === "error" && !/the server responded with a status of 4/.test(message.text()) && page.problems.push(message.text()));
    if (token) await page.addInitScript((text) => sessionStorage.setItem("flowgate.token", text), token);
    await page.goto(`${node.address}/${hash}`);
    return page;
}

/** Checks what every view has to pass, in both themes, and takes its pictures where PICTURES names a folder. */
export async function look(page, name) {
    for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: scheme });
        await picture(page, `${name}-${scheme}`);
        await page.evaluate(axe);
        const violations = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ["violations"] })).violations
            .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 200)).join("; ")}`));
        assert.deepEqual(violations, [], `${name}, ${scheme}`);
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, `${name} is wider than the window`);
    assert.deepEqual(page.problems, [], name);
}

async function picture(page, name) {
    const folder = process.env.PICTURES;
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: path.join(folder, `${name}.png`) });
}

/** Waits until a text is in the page, or in one of its parts. */
export async function sees(page, text, part = "body") {
    await page.locator(part).filter({ hasText: text }).first().waitFor();
}

/** The heading of the view. */
export function heading(page, text) {
    return page.getByRole("heading", { level: 1, name: text, exact: true }).waitFor();
}
