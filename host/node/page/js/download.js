// Files that the page saves: asked for with the token, which a plain link could not send.

import { send } from "./api.js";
import { h } from "./dom.js";

/** How long a browser may take to begin reading what it saves. */
const READ_MS_MAX = 60_000;

/** Saves what the node answers at `path` under a name. */
export async function download(path, name, signal) {
    const response = await send("GET", path, { signal });
    const address = URL.createObjectURL(await response.blob());
    h("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), READ_MS_MAX);
}
