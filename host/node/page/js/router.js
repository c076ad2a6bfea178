// Where the page is: in the part of the address behind `#`, so that links, bookmarks and the back button work.

/** Returns the address of a view: `href(["t", "acme", "jobs"], {operator: "x"})`. */
export function href(parts, query) {
    const path = parts.map((part) => encodeURIComponent(part)).join("/");
    const present = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
    return `#/${path}${present.length > 0 ? `?${new URLSearchParams(present)}` : ""}`;
}

/** The address of a job, or of a section of it. */
export function jobHref(tenant, job, section, query) {
    return href(["t", tenant, "jobs", job, ...(section ? [section] : [])], query);
}

/** Reads the address: `{parts, query}`. */
export function here() {
    const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
    return { parts: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(search) };
}

function decode(part) {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

/** Goes to a view. */
export function go(address) {
    if (location.hash === address) dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = address;
}

/** Goes to a view in the place of this one. */
export function replace(address) {
    history.replaceState(null, "", address);
    dispatchEvent(new HashChangeEvent("hashchange"));
}

/** Changes the query of this view, without going anywhere: what was chosen is in the address. */
export function note(query) {
    history.replaceState(null, "", href(here().parts, query));
}
