// Elements, made without markup: everything that a tenant names becomes a text node.

const SVG = "http://www.w3.org/2000/svg";

/** Creates an HTML element. `props`: attributes; `on`: listeners; `class`: its classes; false, null and undefined are left out. */
export function h(tag, props, ...children) {
    return fill(document.createElement(tag), props, children);
}

/** Creates an SVG element, with the same `props`. */
export function s(tag, props, ...children) {
    return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
    for (const [name, value] of Object.entries(props ?? {})) {
        if (name === "on") {
            for (const [event, listener] of Object.entries(value || {})) element.addEventListener(event, listener);
        } else if (name === "value" || name === "checked" || name === "disabled") {
            element[name] = value;
        } else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(name, value === true ? "" : String(value));
        }
    }
    add(element, children);
    return element;
}

/** Appends children: nodes, texts, lists of them; null, undefined and false are left out. */
export function add(parent, ...children) {
    for (const child of children.flat(Infinity)) {
        if (child === null || child === undefined || child === false) continue;
        parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return parent;
}

/** Replaces all children. */
export function put(parent, ...children) {
    parent.replaceChildren();
    return add(parent, ...children);
}

/** Sets the text where it is another one, so that selections and screen readers are left alone. */
export function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
}

let ids = 0;

/** Returns an id that the page does not have yet. */
export function id(prefix) {
    ids += 1;
    return `${prefix}-${ids}`;
}
