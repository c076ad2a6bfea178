// Who uses the page: the token (kept until the tab closes), what the node says of it, and the theme.

const TOKEN = "flowgate.token";
const THEME = "flowgate.theme";
const RANKS = { viewer: 0, operator: 1, admin: 2 };

/** What the node says of the token (`Whoami`); null: nobody is signed in. */
let who = null;

export function token() {
    return sessionStorage.getItem(TOKEN);
}

export function keep(text) {
    sessionStorage.setItem(TOKEN, text);
}

export function forget() {
    sessionStorage.removeItem(TOKEN);
    who = null;
}

export function whoami() {
    return who;
}

export function setWhoami(answer) {
    who = answer;
}

/** Whether the token is one of the node itself, which sees all tenants. */
export function ofNode() {
    return who !== null && !who.tenant;
}

/** Whether the token allows what the role allows. */
export function allows(role) {
    return who !== null && RANKS[who.role] >= RANKS[role];
}

/** The theme that was chosen: `light`, `dark`; null: the system's. */
export function theme() {
    return localStorage.getItem(THEME);
}

/** Shows the chosen theme, or the system's. */
export function applyTheme() {
    const chosen = theme();
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
}

/** Whether the page is dark now. */
export function isDark() {
    return theme() ? theme() === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Changes between dark and light. */
export function toggleTheme() {
    localStorage.setItem(THEME, isDark() ? "light" : "dark");
    applyTheme();
}
