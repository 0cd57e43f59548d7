// dom.js - elements without markup strings, and the page's way to the server.
//
// Nothing that came from a user or the bot is ever read as HTML: text becomes
// text nodes, and attributes are set one by one.

export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === undefined || value === null || value === false) continue;
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
}

export function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `#icon-${name}`);
    svg.append(use);
    svg.setAttribute("aria-hidden", "true");
    return svg;
}

export function iconButton(name, label, onclick, more = {}) {
    return make("button", { class: "icon", type: "button", "aria-label": label, title: label, onclick, ...more }, icon(name));
}

export function face(user) {
    const letter = [...user.name.trim()][0] ?? "?";
    return make("span", { class: `face face-${user.id % 6}`, "aria-hidden": "true" }, letter.toUpperCase());
}

export const fileAddress = (fileId) => `chat/file?id=${encodeURIComponent(fileId)}`;

// Answers the parsed body; throws an Error with the server's own words otherwise.
export async function ask(address, options) {
    const response = await fetch(address, options);
    if (response.ok) return response.json();
    const body = await response.json().catch(() => ({})); // nginx may answer in HTML
    throw new Error(body.error ?? `HTTP ${response.status}`);
}

export function tell(address, body) {
    return ask(address, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
    });
}

// Gives a file to the server, tells how far it is (0 to 1), and answers its SHA-256.
// fetch() would not tell; the signal ends it.
export function keep(file, tellProgress, signal) {
    return new Promise((done, fail) => {
        const request = new XMLHttpRequest();
        const end = () => request.abort();
        signal.addEventListener("abort", end, { once: true });
        request.upload.addEventListener("progress", (event) => event.lengthComputable && tellProgress(event.loaded / event.total));
        request.addEventListener("abort", () => fail(new DOMException("aborted", "AbortError")));
        request.addEventListener("error", () => fail(new Error("the sandbox cannot be reached")));
        request.addEventListener("load", () => {
            signal.removeEventListener("abort", end);
            if (request.status === 200) done(request.response.sha256);
            else fail(new Error(request.response?.error ?? `HTTP ${request.status}`));
        });
        request.open("POST", "chat/keep");
        request.responseType = "json";
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.send(file);
    });
}
