// calls.js - the log of what the bot asked of Telegram, newest first.
import { ask, make } from "./dom.js";
import { word } from "./words.js";

const mostShown = 400;

export class Calls {
    constructor(list, empty, userFilter, refusedFilter) {
        this.list = list;
        this.empty = empty;
        this.userFilter = userFilter;
        this.refusedFilter = refusedFilter;
        this.calls = []; // ascending
        userFilter.addEventListener("change", () => this.reload());
        refusedFilter.addEventListener("change", () => this.reload());
    }

    describeUsers(users) {
        const chosen = this.userFilter.value;
        this.users = users;
        this.userFilter.replaceChildren(make("option", { value: "" }, word("all_chats")),
            ...[...users.values()].map((user) => make("option", { value: user.id }, user.name)));
        this.userFilter.value = chosen;
    }

    query() {
        const refused = this.refusedFilter.checked ? "&refused=1" : "";
        return `chat/calls?user=${this.userFilter.value}${refused}`;
    }

    isWanted(call) {
        return (!this.userFilter.value || String(call.user) === this.userFilter.value) && (!this.refusedFilter.checked || call.is_refused);
    }

    async reload() {
        const asked = this.query();
        const { calls } = await ask(asked);
        if (asked !== this.query()) return; // the filter moved on meanwhile
        this.calls = calls;
        this.list.replaceChildren(...[...calls].reverse().map((call) => this.row(call)));
        this.describeEmpty();
    }

    add(calls) {
        const last = this.calls.length ? this.calls[this.calls.length - 1].id : 0;
        for (const call of calls) {
            if (call.id <= last || !this.isWanted(call)) continue;
            this.calls.push(call);
            this.list.prepend(this.row(call));
        }
        for (; this.calls.length > mostShown; this.calls.shift()) this.list.lastElementChild.remove();
        this.describeEmpty();
    }

    describeEmpty() {
        const isFiltered = this.userFilter.value || this.refusedFilter.checked;
        this.empty.hidden = this.calls.length > 0;
        this.empty.textContent = word(isFiltered ? "no_matches" : "no_calls");
    }

    row(call) {
        const name = call.user ? this.users.get(call.user)?.name ?? String(call.user) : "";
        const time = new Date(call.at_ms).toLocaleTimeString("ru", { hour12: false });
        const head = make("button", { type: "button", class: "call-head", "aria-expanded": "false" },
            make("span", { class: "call-method" }, call.method),
            make("span", { class: "call-status" }, String(call.status)),
            make("span", { class: "call-about" }, [time, name, call.via === "webhook" ? word("inline") : `${call.took_ms} ms`].filter(Boolean).join(" · ")),
            call.is_refused ? make("span", { class: "call-wrong" }, call.description ?? "") : null);
        const row = make("li", { class: call.is_refused ? "call refused" : "call", "data-call": call.id, "data-method": call.method }, head);
        head.addEventListener("click", () => this.toggle(row, head, call));
        return row;
    }

    async toggle(row, head, call) {
        const old = row.querySelector(".call-details");
        head.setAttribute("aria-expanded", String(!old));
        if (old) {
            old.remove();
            return;
        }
        const holder = make("div", { class: "call-details" });
        row.append(holder);
        const { parameters, result } = await ask(`chat/calls?id=${call.id}`);
        holder.append(make("h3", {}, word("parameters")), json(parameters), make("h3", {}, word("answer")), json(result));
    }
}

// JSON, indented, with its parts told apart by colour; what was cut in the log
// comes as text and is shown as it is.
function json(value) {
    const text = typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2);
    const shown = make("pre", { class: "json", tabindex: "0" });
    const part = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/g;
    let at = 0;
    for (const match of text.matchAll(part)) {
        const [whole, quoted, colon, literal] = match;
        const kind = quoted ? (colon ? "json-name" : "json-string") : literal ? "json-literal" : "json-number";
        shown.append(text.slice(at, match.index), make("span", { class: kind }, quoted ?? whole), colon ?? "");
        at = match.index + whole.length;
    }
    shown.append(text.slice(at));
    return shown;
}
