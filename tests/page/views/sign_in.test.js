// Signing in: what the page does before anybody has shown a token.

import assert from "node:assert/strict";
import test from "node:test";
import { heading, look, node, open, sees } from "../browser.js";

test("a wrong token is refused, a right one signs in, and signing out forgets it", async () => {
    const page = await open(null, "#/t/acme/jobs");
    await heading(page, "Sign in to this node");
    await look(page, "sign-in");
    await page.getByLabel("Token").fill("fg_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await sees(page, "The node does not take this token", "[role=alert]");
    await page.getByLabel("Token").fill(node.tokens.viewer);
    await page.keyboard.press("Enter");
    await heading(page, "Jobs");
    assert.match(page.url(), /#\/t\/acme\/jobs$/, "a deep link is kept over the sign-in");
    assert.equal(await page.evaluate(() => localStorage.length), 0, "the token is in no place that outlives the tab");
    await page.getByRole("button", { name: "Sign out" }).click();
    await heading(page, "Sign in to this node");
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test("the page's files forbid everything but themselves", async () => {
    const response = await fetch(`${node.address}/`);
    assert.equal(response.headers.get("content-security-policy"), "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
    assert.equal(response.headers.get("referrer-policy"), "no-referrer");
    const again = await fetch(`${node.address}/`, { headers: { "If-None-Match": response.headers.get("etag") } });
    assert.equal(again.status, 304);
});

test("a viewer sees everything and can change nothing", async () => {
    const page = await open(node.tokens.viewer, "#/t/acme/jobs/words");
    await heading(page, "words");
    await page.locator(".graph .node").first().waitFor();
    for (const name of ["Stop…", "Restart…", "Delete…"]) assert.equal(await page.getByRole("button", { name }).count(), 0, name);
    assert.equal(await page.getByRole("link", { name: "Tokens" }).count(), 0);
});
