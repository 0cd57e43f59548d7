// chat.js - the page: users at the left, open chats in the middle, calls at the right.
//
// State comes once, then a long poll brings what changed. The address keeps
// which chats are open (#1001,1002), so that a reload shows the same.
import { ask, face, iconButton, make, tell } from "./dom.js";
import { Calls } from "./calls.js";
import { Column } from "./column.js";
import { shellLanguage, word } from "./words.js";

// What a switch sets; the names are those of /sandbox/control/fault.
const faults = [
    { label: "fault_telegram_429", name: "telegram.429", value: { retry_after: 5 } },
    { label: "fault_telegram_down", name: "telegram.down", value: true },
    { label: "fault_telegram_late", name: "telegram.pre_checkout", value: "lost" },
    { label: "fault_telegram_twice", name: "telegram.payment_copies", value: 2 },
    { label: "fault_fal_down", name: "fal.submit", value: 503 },
    { label: "fault_fal_slow", name: "fal.seconds", value: 30 },
    { label: "fault_fal_never", name: "fal.callback", value: "never" },
    { label: "fault_fal_refuse", name: "fal.fail", value: { status: 422, type: "content_policy_violation" } },
];

const columnWidth = 380; // px that a chat needs to stand beside another
const find = (id) => document.getElementById(id);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A message in the list of users.
function inShort(message) {
    const aboutStars = message.kind === "invoice" ? message.extra?.invoice?.title : word(message.kind);
    return message.text || message.media?.file_name || aboutStars || word("file");
}

const shell = {
    version: 0,
    users: new Map(),
    commands: {},
    columns: new Map(), // in the order they stand
    unread: new Map(),
    last: new Map(), // the latest message of each user

    // -- chats --

    async open(id, isBeside = false) {
        const user = this.users.get(id);
        if (!user) return;
        this.unread.delete(id);
        this.closeDrawers();
        if (!this.columns.has(id)) {
            if (!isBeside) for (const other of [...this.columns.keys()]) this.drop(other);
            const column = new Column(user, this);
            this.columns.set(id, column);
            find("columns").append(column.element);
            await column.attempt(() => column.open());
        }
        this.settle(id);
    },

    close(id) {
        this.drop(id);
        this.settle([...this.columns.keys()].pop());
    },

    drop(id) {
        this.columns.get(id)?.element.remove();
        this.columns.delete(id);
    },

    // The newest chats that fit stay; the first of them leave.
    settle(active) {
        const room = find("columns").clientWidth;
        const most = Math.max(1, Math.floor(room / columnWidth));
        for (const id of [...this.columns.keys()]) if (this.columns.size > most && id !== active) this.drop(id);
        history.replaceState(null, "", `#${[...this.columns.keys()].join(",")}`);
        find("columns").classList.toggle("several", this.columns.size > 1);
        find("columns").dataset.empty = this.columns.size ? "" : word("pick_chat");
        this.listUsers();
        if (matchMedia("(hover: hover)").matches) this.columns.get(active)?.composer.input.focus();
    },

    // -- users --

    listUsers() {
        const recency = (user) => this.last.get(user.id)?.id ?? 0;
        const sorted = [...this.users.values()].sort((a, b) => recency(b) - recency(a) || a.id - b.id);
        const focused = document.activeElement?.closest?.(".person")?.dataset.user;
        find("person-list").replaceChildren(...sorted.map((user) => this.personRow(user)));
        if (focused) find("person-list").querySelector(`[data-user="${focused}"] .person-open`)?.focus();
    },

    personRow(user) {
        const last = this.last.get(user.id);
        const unread = this.unread.get(user.id) ?? 0;
        const isOpen = this.columns.has(user.id);
        const preview = last ? (last.is_bot ? "" : word("you")) + inShort(last) : `@${user.username || user.id}`;
        return make("li", { class: isOpen ? "person open" : "person", "data-user": user.id },
            make("button", { type: "button", class: "person-open", "aria-current": isOpen ? "true" : null, onclick: () => this.open(user.id) },
                face(user),
                make("span", { class: "person-words" },
                    make("span", { class: "person-name" }, user.name, make("small", {}, user.language)),
                    make("span", { class: "person-last" }, user.is_blocked ? word("blocked") : preview.slice(0, 80))),
                unread ? make("span", { class: "count" }, String(unread)) : null),
            isOpen ? null : iconButton("beside", `${word("beside")}: ${user.name}`, () => this.open(user.id, true), { class: "icon beside" }));
    },

    takeUsers(users) {
        for (const user of users) this.users.set(user.id, user);
        for (const user of users) if (user.last && !this.last.has(user.id)) this.last.set(user.id, user.last);
        for (const [id, column] of this.columns) {
            column.user = this.users.get(id) ?? column.user;
            column.describe();
        }
        this.calls.describeUsers(this.users);
    },

    // -- changes --

    takeMessages(messages) {
        const byUser = new Map();
        for (const message of messages) {
            if (!byUser.has(message.user)) byUser.set(message.user, []);
            byUser.get(message.user).push(message);
            const last = this.last.get(message.user);
            if (message.is_deleted) continue;
            if (message.is_bot && !this.columns.has(message.user) && message.id > (last?.id ?? 0))
                this.unread.set(message.user, (this.unread.get(message.user) ?? 0) + 1);
            if (message.id >= (last?.id ?? 0)) this.last.set(message.user, message);
        }
        for (const [id, changed] of byUser) this.columns.get(id)?.change(changed);
    },

    take(changes) {
        if (changes.commands) this.commands = changes.commands;
        if (changes.users.length) this.takeUsers(changes.users);
        this.takeMessages(changes.messages);
        for (const answer of changes.answers) this.columns.get(answer.user)?.answer(answer);
        for (const action of changes.actions) this.columns.get(action.user)?.setAction(action.action);
        if (changes.commands) for (const column of this.columns.values()) column.composer.describe();
        if (changes.faults) describeFaults(changes.faults);
        this.calls.add(changes.calls);
        if (changes.users.length || changes.messages.length) this.listUsers();
    },

    async load() {
        const state = await ask("chat/state");
        this.version = state.version;
        this.commands = state.commands;
        this.users.clear();
        this.last.clear();
        document.title = `${state.bot.first_name} · ${word("title")}`;
        this.takeUsers(state.users);
        this.listUsers();
        describeFaults(state.faults);
        await this.calls.reload();
        for (const column of this.columns.values()) await column.open();
    },

    async follow() {
        let isLeaving = false;
        addEventListener("pagehide", () => { isLeaving = true; });
        addEventListener("pageshow", () => { isLeaving = false; });
        while (!isLeaving) {
            try {
                const changes = await ask(`chat/changes?since=${this.version}`);
                describeLink(true);
                if (changes.reset) await this.load();
                else this.take(changes);
                this.version = changes.version;
            } catch (error) {
                if (isLeaving) return;
                describeLink(false);
                console.warn(error);
                await pause(1500);
            }
        }
    },

    // -- what lies over the page --

    openDrawer(name) {
        if (name === "panel" && matchMedia("(min-width: 1180px)").matches) {
            document.body.classList.toggle("no-panel");
            return;
        }
        find(name).classList.add("open");
        find("shade").hidden = false;
        find(name).querySelector("button:not([hidden])").focus();
    },

    closeDrawers() {
        for (const drawer of document.querySelectorAll(".drawer.open")) drawer.classList.remove("open");
        find("shade").hidden = true;
    },

    alert(text) {
        find("alert-text").textContent = text;
        if (!find("alert-dialog").open) find("alert-dialog").showModal();
    },

    enlarge(address, words) {
        find("photo-large").src = address;
        find("photo-large").alt = words;
        find("photo-dialog").showModal();
    },
};

function describeLink(isUp) {
    find("link").textContent = word(isUp ? "connected" : "lost");
    find("link").classList.toggle("lost", !isUp);
}

// -- faults --

function describeFaults(now) {
    const on = new Set(now);
    for (const box of find("fault-list").querySelectorAll("input")) box.checked = on.has(box.name);
    find("fault-count").textContent = String(on.size);
    find("fault-count").hidden = on.size === 0;
}

function buildFaults() {
    find("fault-list").append(...faults.map((fault) => {
        const box = make("input", { type: "checkbox", role: "switch", name: fault.name });
        box.addEventListener("change", () => {
            tell("control/fault", { name: fault.name, value: box.checked ? fault.value : null }).catch(() => {
                box.checked = !box.checked;
            });
        });
        return make("label", { class: "switch" }, box, make("span", {}, word(fault.label)));
    }));
}

// -- adding a user --

function fillPerson(preset) {
    for (const [name, value] of Object.entries(preset)) find("person-form").elements[name].value = value;
}

function openPersonDialog() {
    const free = Math.max(1000, ...shell.users.keys()) + 1;
    fillPerson({ id: free, name: "", username: "", language: shellLanguage });
    find("person-wrong").textContent = "";
    find("person-dialog").showModal();
    find("person-form").elements.name.focus();
}

async function addPerson(event) {
    event.preventDefault();
    const form = find("person-form").elements;
    const user = { id: Number(form.id.value), name: form.name.value.trim(), username: form.username.value, language: form.language.value };
    try {
        await tell("chat/user", user);
        shell.users.set(user.id, { is_blocked: false, ...user });
        find("person-dialog").close();
        await shell.open(user.id);
    } catch (error) {
        find("person-wrong").textContent = error.message;
    }
}

// -- start --

function speak() {
    document.documentElement.lang = shellLanguage;
    for (const element of document.querySelectorAll("[data-words]")) element.textContent = word(element.dataset.words);
    for (const element of document.querySelectorAll("[data-label]")) {
        element.setAttribute("aria-label", word(element.dataset.label));
        if (element.tagName === "BUTTON") element.title = word(element.dataset.label);
    }
    find("people").setAttribute("aria-label", word("people"));
    find("panel").setAttribute("aria-label", word("log"));
}

function listen() {
    find("person-add").addEventListener("click", openPersonDialog);
    find("person-form").addEventListener("submit", addPerson);
    find("panel-close").addEventListener("click", () => {
        shell.closeDrawers();
        document.body.classList.add("no-panel");
    });
    find("shade").addEventListener("click", () => shell.closeDrawers());
    for (const button of document.querySelectorAll("[data-close-drawer]")) button.addEventListener("click", () => shell.closeDrawers());
    for (const button of document.querySelectorAll("[data-close-dialog]"))
        button.addEventListener("click", () => button.closest("dialog").close());
    for (const dialog of document.querySelectorAll("dialog"))
        dialog.addEventListener("click", (event) => {
            if (event.target === dialog) dialog.close();
        });
    document.addEventListener("keydown", (event) => {
        if (event.key === "Escape") shell.closeDrawers();
    });
}

async function start() {
    speak();
    buildFaults();
    listen();
    shell.calls = new Calls(find("calls"), find("calls-empty"), find("filter-user"), find("filter-refused"));
    for (;;) {
        try {
            await shell.load();
            break;
        } catch (error) {
            describeLink(false);
            await pause(1500);
        }
    }
    describeLink(true);
    const wanted = location.hash.slice(1).split(",").map(Number).filter((id) => shell.users.has(id));
    for (const id of wanted.length ? wanted : [...shell.users.keys()].slice(0, 1)) await shell.open(id, true);
    document.body.dataset.ready = "yes";
    await shell.follow();
}

start();
