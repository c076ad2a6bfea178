// What belongs to a tenant beside jobs and plugins: quotas, grants, secrets, tokens.

import assert from "node:assert/strict";
import test from "node:test";
import { heading, look, node, open, sees } from "../browser.js";

test("quotas: what is used of each, and a change by an admin of the node", async () => {
    const viewer = await open(node.tokens.viewer, "#/t/acme/quotas");
    await viewer.getByRole("row", { name: /^plugins .*100/ }).waitFor();
    assert.equal(await viewer.getByRole("button", { name: "Change quotas…" }).count(), 0);
    await look(viewer, "quotas");
    const page = await open(node.tokens.node, "#/t/acme/quotas");
    await page.getByRole("button", { name: "Change quotas…" }).click();
    await page.getByLabel("history, events").fill("1234");
    await look(page, "quotas-change");
    await page.getByRole("button", { name: "Change quotas", exact: true }).click();
    await page.getByRole("row", { name: /^history .*1,234/ }).waitFor();
    await page.getByRole("button", { name: "Change grants…" }).click();
    await page.getByLabel("Targets of connections").fill("a.example.com:443\nb.example.com:443");
    await look(page, "grants-change");
    await page.getByRole("button", { name: "Change grants", exact: true }).click();
    await sees(page, "b.example.com:443", ".plain-list");
});

test("secrets: set, named in a job file, deleted, and never shown", async () => {
    const page = await open(node.tokens.admin, "#/t/acme/secrets");
    await sees(page, "${secret:kafka_password}");
    await look(page, "secrets");
    await page.getByRole("button", { name: "Set a secret…" }).click();
    await page.getByLabel("Name").fill("key");
    await page.getByLabel("Value").fill("of nobody's business");
    await page.getByRole("button", { name: "Set the secret" }).click();
    await page.getByRole("row", { name: /^key/ }).waitFor();
    assert.ok(!(await page.content()).includes("of nobody's business"));
    await page.getByRole("button", { name: "Delete key" }).click();
    await sees(page, "Its value is gone.", "dialog");
    await page.getByRole("button", { name: "Delete the secret" }).click();
    await page.getByRole("row", { name: /^key/ }).waitFor({ state: "detached" });
});

test("tokens: one that is created is shown once, works, and is deleted", async () => {
    const page = await open(node.tokens.admin, "#/t/acme/tokens");
    await page.getByRole("row", { name: /^the-viewer viewer/ }).waitFor();
    await look(page, "tokens");
    await page.getByRole("button", { name: "Create a token…" }).click();
    await page.getByLabel("Name").fill("wall screen");
    await page.getByRole("button", { name: "Create the token" }).click();
    const text = await page.getByRole("textbox", { name: "Token" }).textContent();
    await page.getByRole("button", { name: "Copy token" }).waitFor();
    await look(page, "token-created");
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("row", { name: /^wall screen viewer/ }).waitFor();
    assert.ok(!(await page.content()).includes(text), "it is shown once");

    const screen = await open(text, "#/t/acme/jobs");
    await heading(screen, "Jobs");
    await page.getByRole("button", { name: "Delete the token wall screen" }).click();
    await page.getByRole("button", { name: "Delete the token", exact: true }).click();
    await page.getByRole("row", { name: /^wall screen/ }).waitFor({ state: "detached" });
    await screen.reload();
    await heading(screen, "Sign in to this node");
});
