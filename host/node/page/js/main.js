// The page begins here: it signs in with the token of this tab, and shows the view that the address names.

import * as api from "./api.js";
import { h, put } from "./dom.js";
import * as notices from "./notices.js";
import { keepTimes, waiting } from "./parts.js";
import { here, href, replace } from "./router.js";
import * as session from "./session.js";
import * as shell from "./shell.js";
import { jobView } from "./views/job.js";
import { jobsView } from "./views/jobs.js";
import { loginView } from "./views/login.js";
import { pluginView } from "./views/plugin.js";
import { pluginsView } from "./views/plugins.js";
import { quotasView } from "./views/quotas.js";
import { secretsView } from "./views/secrets.js";
import { submitView } from "./views/submit.js";
import { tenantsView } from "./views/tenants.js";
import { nodeTokensView, tokensView } from "./views/tokens.js";

/** Ends what the view before does: its questions and streams. */
let leave = new AbortController();
/** The view that is shown, without its query. */
let shown = null;

/** The views of a tenant: what comes behind `t/TENANT/`. */
const TENANT_VIEWS = { jobs: jobsView, plugins: pluginsView, quotas: quotasView, secrets: secretsView, tokens: tokensView, submit: submitView };

function find({ parts }) {
    if (parts[0] === "tenants" && parts.length === 1) return { view: "tenants", draw: tenantsView };
    if (parts[0] === "node-tokens" && parts.length === 1) return { view: "node-tokens", draw: nodeTokensView };
    if (parts[0] !== "t" || parts.length < 3) return null;
    const [, tenant, view, name, section] = parts;
    if (view === "jobs" && name) return { view, tenant, draw: jobView, name, section: section ?? "overview" };
    if (view === "plugins" && name) return { view, tenant, draw: pluginView, name };
    if (TENANT_VIEWS[view] && parts.length === 3) return { view: view === "submit" ? "jobs" : view, tenant, draw: TENANT_VIEWS[view] };
    return null;
}

async function show() {
    leave.abort();
    leave = new AbortController();
    const { signal } = leave;
    const main = document.getElementById("main");
    const place = here();
    if (!session.whoami()) return showLogin(main);
    if (place.parts.length === 0 || place.parts[0] === "login") return replace(start());
    const found = find(place);
    const root = h("div", { class: "view" });
    shell.drawTop({ tenant: found?.tenant ?? session.whoami().tenant, view: found?.view, signOut });
    put(main, root);
    // A new view begins at its top, with the focus; another section of the same job leaves it where it is.
    const name = [found?.view, found?.tenant, found?.name].join("/");
    if (shown !== null && shown !== name) {
        scrollTo(0, 0);
        main.focus({ preventScroll: true });
    }
    shown = name;
    if (!found) return put(root, shell.viewHead("Not found"), h("p", {}, "There is no such view. "), h("p", {}, h("a", { href: start() }, "Go to the beginning")));
    try {
        await found.draw({ root, signal, query: place.query, ...found });
    } catch (error) {
        if (signal.aborted || error.name === "AbortError") return;
        showFailure(root, error);
    }
}

/** Shows why there is no view: under its head, where it has one. */
function showFailure(root, error) {
    const head = root.querySelector(".view-head") ?? shell.viewHead(error.status === 404 ? "Not found" : "Not shown");
    put(root, head, notices.inPlace(error));
    if (!(error instanceof api.Problem)) console.error(error);
}

/** Where somebody begins: at the jobs of the tenant, or at all tenants. */
function start() {
    const tenant = session.whoami().tenant;
    return tenant ? href(["t", tenant, "jobs"]) : href(["tenants"]);
}

function showLogin(main, why) {
    shown = null;
    shell.drawTop({});
    notices.clear();
    const root = h("div", { class: "view" });
    put(main, root);
    loginView({ root, why, signIn });
}

/** Takes a token, if the node does. */
async function signIn(token) {
    session.keep(token);
    try {
        session.setWhoami(await api.get("/api/v1/whoami"));
        await shell.loadTenants();
    } catch (error) {
        session.forget();
        throw error;
    }
    await show();
}

function signOut() {
    session.forget();
    leave.abort();
    history.replaceState(null, "", "#/");
    showLogin(document.getElementById("main"));
}

function loseToken() {
    if (!session.whoami()) return;
    session.forget();
    leave.abort();
    showLogin(document.getElementById("main"), "The node does not take the token any longer: it has expired, or was deleted.");
}

async function begin() {
    session.applyTheme();
    keepTimes();
    api.onSignedOut(loseToken);
    addEventListener("hashchange", show);
    document.getElementById("skip").addEventListener("click", (event) => {
        event.preventDefault();
        document.getElementById("main").focus();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shell.showTheme());
    if (!session.token()) return show();
    const main = document.getElementById("main");
    put(main, waiting("Asking the node"));
    try {
        await signIn(session.token());
    } catch (error) {
        showLogin(main, error.status === 401 ? null : error.detail ?? String(error));
    }
}

begin();
