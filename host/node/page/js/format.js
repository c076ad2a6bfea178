// Numbers and times for people: rows with k and M, bytes with KiB and MiB, times in UTC.

/** Times beyond what a date can hold: the watermark of a source that has ended. */
const TIME_MS_MAX = 8.64e15;

/** `1,234,567` */
export function count(n) {
    return Math.round(n).toLocaleString("en-US");
}

/** `987`, `12.3k`, `4.56M` */
export function compact(n) {
    const size = Math.abs(n);
    if (size < 10 && size % 1 !== 0) return n.toFixed(1);
    if (size < 999.5) return String(Math.round(n));
    for (const [unit, factor] of [["k", 1e3], ["M", 1e6], ["G", 1e9], ["T", 1e12]]) {
        if (size < 999.5 * factor || unit === "T") return significant(n / factor) + unit;
    }
}

/** `12.3k rows/s` */
export function rate(n) {
    return n === null || n === undefined ? "–" : `${compact(n)} rows/s`;
}

/** `512 B`, `1.50 KiB`, `12.3 MiB` */
export function bytes(n) {
    if (n < 1024) return `${Math.round(n)} B`;
    for (const [unit, power] of [["KiB", 1], ["MiB", 2], ["GiB", 3], ["TiB", 4]]) {
        if (n < 999.5 * 1024 ** power || unit === "TiB") {
            const value = n / 1024 ** power;
            return `${value % 1 === 0 ? value : significant(value)} ${unit}`;
        }
    }
}

function significant(value) {
    const size = Math.abs(value);
    return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** `1.21 µs`, `320 ms`, `1.2 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h` */
export function duration(ms) {
    if (ms < 0) return `-${duration(-ms)}`;
    if (ms < 0.1) return `${significant(ms * 1000)} µs`;
    if (ms < 1) return `${significant(ms)} ms`;
    if (ms < 1000) return `${Math.round(ms)} ms`;
    const s = ms / 1000;
    if (s < 9.95) return `${s.toFixed(1)} s`;
    if (s < 59.5) return `${Math.round(s)} s`;
    const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
    const at = units.findIndex(([, size]) => Math.round(s) >= size);
    const [[unit, size], [next, part]] = [units[at], units[at + 1]];
    const whole = Math.floor(Math.round(s) / size);
    const rest = Math.floor((Math.round(s) % size) / part);
    return rest === 0 ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${next}`;
}

/** `2026-11-28 22:51:30.123 UTC` */
export function exact(ms) {
    if (!isTime(ms)) return ms > 0 ? "the end of time" : "none";
    return new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** `12 s ago`, `in 5 s` */
export function relative(ms, now = Date.now()) {
    const age = now - ms;
    if (Math.abs(age) < 1000) return "now";
    const text = coarse(Math.abs(age) / 1000);
    return age > 0 ? `${text} ago` : `in ${text}`;
}

/** A duration in one whole unit, so that a list of times does not flicker. */
function coarse(seconds) {
    const [unit, size] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].find(([, size]) => seconds >= size) ?? ["s", 1];
    return `${Math.floor(seconds / size)} ${unit}`;
}

/** Whether it is a time that a date can hold. */
export function isTime(ms) {
    return ms !== null && ms !== undefined && Math.abs(ms) <= TIME_MS_MAX;
}

/** A quota's value in its unit. */
export function quantity(value, unit) {
    if (unit === "bytes") return bytes(value);
    return unit === "cores" ? String(value) : count(value);
}

/** The beginning of a SHA-256. */
export function digest(text) {
    return text.slice(0, 12);
}

/** `log, files` of interfaces of the contract; others in full. */
export function interfaces(names) {
    return names.length === 0 ? "none" : names.map((name) => name.match(/^flowgate:plugin\/([^@]+)@/)?.[1] ?? name).join(", ");
}

/** `1 row`, `2 rows` */
export function plural(n, one, many = `${one}s`) {
    return `${count(n)} ${n === 1 ? one : many}`;
}
