// The swap of a function in a job that runs, and the way back.

import assert from "node:assert/strict";
import test from "node:test";
import { look, node, open, sees } from "../browser.js";

test("the plugins of a job are listed with their versions", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words/swap");
    await page.getByRole("row", { name: /^words text text@1/ }).waitFor();
    await look(page, "swap-plugins");
});

test("a swap follows its dry run, shows its gap, and is rolled back", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/jobs/words/swap");
    const swap = page.getByRole("button", { name: "Swap", exact: true });
    await page.getByLabel("Version that it gets").selectOption("text@2");
    assert.ok(await swap.isDisabled(), "no swap without a dry run");
    await page.getByRole("button", { name: "Dry run" }).click();
    await sees(page, "The dry run has found no problem", ".outcome");
    await look(page, "swap-dry-run");
    await swap.click();
    await sees(page, /text@1 → text@2/, ".outcome");
    await sees(page, /Gap.*\d/, ".outcome");
    await page.getByRole("row", { name: /text@1 text@2 done/ }).waitFor();
    await look(page, "swap");
    await page.getByRole("button", { name: "Roll back…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
    await sees(page, "runs text@1 again", ".notice.good");
});
