// The registry of plugins.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { heading, look, node, open, sees } from "../browser.js";
import { plugin } from "../machine.js";

test("a component is pushed by a chosen file, shown with its functions, and deleted", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/plugins");
    await page.getByRole("row", { name: /^text text@2 2/ }).waitFor();
    await look(page, "plugins");
    await page.setInputFiles("#component", { name: "no component.wasm", mimeType: "application/wasm", buffer: Buffer.from("hello") });
    assert.equal(await page.getByLabel("Name of the plugin").inputValue(), "no-component");
    await page.getByRole("button", { name: "Push" }).click();
    await page.locator(".notice.bad").waitFor();
    await look(page, "push-refused");
    await page.getByLabel("Name of the plugin").fill("alerts");
    await page.setInputFiles("#component", { name: "alert.wasm", mimeType: "application/wasm", buffer: readFileSync(plugin("alert")) });
    await page.getByRole("button", { name: "Push" }).click();
    await sees(page, "alerts@1 is pushed", ".outcome");
    await page.getByRole("link", { name: "Show it" }).click();
    await heading(page, "alerts");
    await sees(page, "alert", ".function");
    await look(page, "plugin");
    await page.getByRole("button", { name: "Delete alerts@1" }).click();
    await page.getByRole("button", { name: "Delete the version" }).click();
    await sees(page, "alerts@1 was deleted", ".notice.good");
    await heading(page, "Plugins");
});

test("a version says which of its imports need a grant", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/plugins");
    await page.getByLabel("Name of the plugin").fill("places");
    await page.setInputFiles("#component", { name: "geoip.wasm", mimeType: "application/wasm", buffer: readFileSync(plugin("geoip")) });
    await page.getByRole("button", { name: "Push" }).click();
    await page.getByRole("link", { name: "Show it" }).click();
    await heading(page, "places");
    await sees(page, "files: those that the job grants by name, and the policy of the tenant by path", ".facts");
    await page.getByRole("row", { name: /^places@1 .*files/ }).waitFor();
    await page.getByRole("button", { name: "Delete places@1" }).click();
    await page.getByRole("button", { name: "Delete the version" }).click();
    await sees(page, "places@1 was deleted", ".notice.good");
});

test("a component is pushed by dropping it", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/plugins");
    await page.locator(".drop").waitFor();
    const data = await page.evaluateHandle(() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["hello"], "dropped.wasm"));
        return transfer;
    });
    await page.dispatchEvent(".drop", "drop", { dataTransfer: data });
    await sees(page, "dropped.wasm, 5 B", ".drop");
    assert.equal(await page.getByLabel("Name of the plugin").inputValue(), "dropped");
});

test("a version that a job uses is not deleted, and the error stays until it is dismissed", async () => {
    const page = await open(node.tokens.operator, "#/t/acme/plugins/text");
    await page.getByRole("button", { name: "Delete text@1" }).click();
    await page.getByRole("button", { name: "Delete the version" }).click();
    await sees(page, "words", "dialog .notice.bad");
    await page.keyboard.press("Escape");
    await page.getByRole("row", { name: /^text@1/ }).waitFor();
});
