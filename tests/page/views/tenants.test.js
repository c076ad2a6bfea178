// What an admin of the node sees: all tenants, and the node's own tokens.

import assert from "node:assert/strict";
import test from "node:test";
import { heading, look, node, open, sees } from "../browser.js";

test("a tenant is chosen, created and deleted, and the choice is in the address", async () => {
    const page = await open(node.tokens.node, "#/");
    await heading(page, "Tenants");
    await page.getByRole("row", { name: /^acme/ }).waitFor();
    await look(page, "tenants");
    await page.getByLabel("Tenant", { exact: true }).selectOption("acme");
    await heading(page, "Jobs");
    assert.match(page.url(), /#\/t\/acme\/jobs$/);
    await page.getByLabel("Tenant", { exact: true }).selectOption("globex");
    await page.waitForURL(/#\/t\/globex\/jobs$/);
    await page.goBack();
    await page.getByRole("row", { name: /^words/ }).waitFor();
    await page.getByRole("link", { name: "Tenants" }).click();
    await page.getByRole("button", { name: "Create a tenant…" }).click();
    await page.getByLabel("Name").fill("initech");
    await page.getByRole("button", { name: "Create the tenant" }).click();
    await heading(page, "Tokens");
    assert.match(page.url(), /#\/t\/initech\/tokens$/);
    await page.getByRole("link", { name: "Tenants" }).click();
    await page.getByRole("button", { name: "Delete initech" }).click();
    await page.getByLabel("Type initech to go on").fill("initech");
    await page.getByRole("button", { name: "Delete the tenant" }).click();
    await page.getByRole("row", { name: /^initech/ }).waitFor({ state: "detached" });
});

test("tokens of the node are listed", async () => {
    const page = await open(node.tokens.node, "#/node-tokens");
    await page.locator("tbody tr").first().waitFor();
    await look(page, "node-tokens");
});

test("another tenant's views look like those of none", async () => {
    const page = await open(node.tokens.viewer, "#/t/globex/jobs");
    await sees(page, "there is no such tenant", "[role=alert]");
    const missing = await open(node.tokens.viewer, "#/t/nobody/jobs");
    await sees(missing, "there is no such tenant", "[role=alert]");
    await look(page, "not-found");
});
