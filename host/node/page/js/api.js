// Requests to the node. Every error is a `Problem`, whose detail says what would be right.

import * as session from "./session.js";

const ITEMS_MAX = 10_000;

/** An error of the API (RFC 9457), or of the way to it. */
export class Problem extends Error {
    constructor({ status, code, title, detail }) {
        super(detail);
        Object.assign(this, { status, code, title, detail });
    }
}

const lost = new EventTarget();

/** Calls `listener` when the node no longer takes the token. */
export function onSignedOut(listener) {
    lost.addEventListener("lost", listener);
}

/** The path of something that belongs to a tenant. */
export function of(tenant, ...parts) {
    return ["/api/v1/tenants", encodeURIComponent(tenant), ...parts.map((part) => encodeURIComponent(part))].join("/");
}

/** A path with a query; parameters without a value are left out. */
export function query(path, parameters) {
    const present = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
    return present.length === 0 ? path : `${path}?${new URLSearchParams(present)}`;
}

/** Sends a request and returns the response, whose status is one of success. */
export async function send(method, path, { body, type, signal, accept = "application/json" } = {}) {
    const headers = { Accept: accept };
    const token = session.token();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
    const content = body === undefined || type ? body : JSON.stringify(body);
    let response;
    try {
        response = await fetch(path, { method, headers, body: content, signal, cache: "no-store", credentials: "omit" });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Problem({ status: 0, code: "unreachable", title: "the node does not answer", detail: "The node does not answer. The page tries again." });
    }
    if (response.ok) return response;
    const problem = await problemOf(response);
    // Another token may have been taken meanwhile.
    if (problem.status === 401 && session.token() === token) lost.dispatchEvent(new Event("lost"));
    throw problem;
}

async function problemOf(response) {
    const text = await response.text().catch(() => "");
    try {
        const body = JSON.parse(text);
        if (typeof body.detail === "string") return new Problem({ status: response.status, title: "", ...body });
    } catch {
        // Not a problem of the node: something between it and the page has answered.
    }
    return new Problem({ status: response.status, code: "unknown", title: `status ${response.status}`, detail: text.slice(0, 500) || response.statusText });
}

async function json(method, path, options) {
    const response = await send(method, path, options);
    return response.status === 204 ? null : response.json();
}

export const get = (path, signal) => json("GET", path, { signal });
export const post = (path, body, signal) => json("POST", path, { body: body ?? {}, signal });
export const put = (path, body) => json("PUT", path, { body });
export const patch = (path, body) => json("PATCH", path, { body });
export const remove = (path) => json("DELETE", path);

/** Uploads a component. */
export const upload = (path, file) => json("POST", path, { body: file, type: "application/wasm" });

/** Returns all entries of a list. */
export async function all(path, signal) {
    const items = [];
    let after;
    do {
        const page = await get(query(path, { limit: 1000, after }), signal);
        items.push(...page.items);
        after = page.next;
    } while (after && items.length < ITEMS_MAX);
    return items;
}
