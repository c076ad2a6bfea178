// The list of jobs.

import assert from "node:assert/strict";
import test from "node:test";
import { heading, look, node, open, sees } from "../browser.js";

test("jobs are listed with their phases and live rates, and found by name and phase", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs");
    await heading(page, "Jobs");
    const row = (name) => page.getByRole("row", { name: new RegExp(`^${name}`) });
    await row("words").filter({ hasText: "running" }).filter({ hasText: /\d rows\/s/ }).waitFor();
    await row("stopped").filter({ hasText: "stopped" }).waitFor();
    await look(page, "jobs");
    await page.getByLabel("Find a job").fill("wor");
    await row("stopped").waitFor({ state: "detached" });
    assert.match(page.url(), /find=wor/, "the choice is in the address");
    await page.getByLabel("Find a job").fill("");
    await page.getByLabel("Phase").selectOption("stopped");
    await row("words").waitFor({ state: "detached" });
    await row("stopped").getByRole("link").click();
    await heading(page, "stopped");
    await page.goBack();
    await heading(page, "Jobs");
});

test("a tenant without jobs is told the command that submits one", async () => {
    const page = await open(node.tokens.node, "#/t/globex/jobs");
    await sees(page, "flowgate job submit job.yaml");
    await look(page, "jobs-empty");
});

test("the list goes on by polling where the stream is refused", async () => {
    const page = await open(null, "#/");
    await page.route("**/events", (route) => route.fulfill({ status: 404, contentType: "application/problem+json", body: JSON.stringify({ status: 404, code: "not_found", title: "not found", detail: "no events" }) }));
    await page.getByLabel("Token").fill(node.tokens.viewer);
    await page.keyboard.press("Enter");
    await page.getByRole("row", { name: /^words/ }).filter({ hasText: /\d rows\/s/ }).waitFor();
});
