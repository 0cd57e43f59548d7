// column.js - one open chat: its messages, its scroll, what its user does.
//
// Messages live in a map by id. Whatever changes, the list is laid out again
// from it: bubbles that stay the same keep their elements, so nothing jumps,
// players play on, and a picture is not loaded twice.
import { ask, face, icon, iconButton, make, tell } from "./dom.js";
import { Composer } from "./composer.js";
import { bubble } from "./message.js";
import { dayWords, word } from "./words.js";

const actionLasts = 5000; // ms, as in Telegram's clients
const queryLasts = 150000; // ms, after which nobody may answer a tap
const toastLasts = 3500; // ms
const nearEnd = 80; // px from the end that still count as being there

export class Column {
    constructor(user, shell) {
        this.user = user;
        this.shell = shell;
        this.messages = new Map();
        this.taps = []; // {message, data, query, until}
        this.paying = new Set(); // invoices whose payment is under way
        this.answered = new Set(); // queries whose answer overtook the tap's own
        this.shown = new Map(); // what a bubble was made of, by key
        this.hasEarlier = false;
        this.isLoading = false;
        this.build();
    }

    get language() {
        return this.user.language === "ru" ? "ru" : "en";
    }

    // -- elements --

    build() {
        this.status = make("span", { class: "status", "aria-live": "polite" });
        this.title = make("span", { class: "person-name" });
        this.faceHolder = make("span", { class: "face-holder" });
        this.blockButton = iconButton("block", "", () => this.setBlocked(!this.user.is_blocked));
        this.starsButton = make("button", { class: "stars", type: "button", onclick: () => this.buyStars() });
        this.closeButton = iconButton("close", word("close_chat"), () => this.shell.close(this.user.id));
        this.closeButton.classList.add("column-close");
        const header = make("header", { class: "bar" },
            iconButton("menu", word("people"), () => this.shell.openDrawer("people"), { class: "icon only-narrow" }),
            this.faceHolder,
            make("span", { class: "who" }, this.title, this.status),
            this.starsButton,
            this.blockButton,
            iconButton("log", word("log"), () => this.shell.openDrawer("panel"), { class: "icon panel-open" }),
            this.closeButton);
        this.list = make("ol", { class: "messages", role: "log", "aria-live": "polite" });
        this.earlier = make("div", { class: "earlier", "aria-hidden": "true" });
        this.welcome = make("div", { class: "welcome", hidden: true });
        this.scroll = make("div", { class: "scroll", tabindex: "-1" }, this.earlier, this.welcome, this.list);
        this.scroll.addEventListener("scroll", () => this.onScroll(), { passive: true });
        // What grows while the end is in view (the composer, a loaded picture) leaves it in view.
        this.isStuck = true;
        new ResizeObserver(() => this.isStuck && !this.wasMoved() && this.toEnd()).observe(this.scroll);
        new ResizeObserver(() => this.isStuck && this.toEnd()).observe(this.list);
        this.fresh = make("span", { class: "count", hidden: true });
        this.jump = make("button", {
            class: "jump", type: "button", hidden: true, "aria-label": word("to_end", this.language),
            onclick: () => this.toEnd(),
        }, icon("down"), this.fresh);
        this.toasts = make("div", { class: "toasts", role: "status", "aria-live": "polite" });
        this.composer = new Composer(this);
        this.element = make("section", { class: "column", "data-user": this.user.id },
            header, make("div", { class: "middle" }, this.scroll, this.jump, this.toasts), this.composer.element);
        this.composer.acceptDrops(this.element);
        this.describe();
    }

    // The user's name, language or block may have changed.
    describe() {
        const { user } = this;
        this.title.textContent = user.name;
        this.faceHolder.replaceChildren(face(user));
        this.element.setAttribute("aria-label", user.name);
        this.list.setAttribute("aria-label", `${word("messages_with", this.language)}: ${user.name}`);
        const blockWords = word(user.is_blocked ? "unblock" : "block", this.language);
        this.blockButton.setAttribute("aria-label", blockWords);
        this.blockButton.title = blockWords;
        this.blockButton.setAttribute("aria-pressed", String(user.is_blocked));
        this.starsButton.textContent = `${user.stars ?? 0} ★`;
        this.starsButton.setAttribute("aria-label", `${word("stars", this.language)}: ${user.stars ?? 0}. ${word("buy_stars", this.language)}`);
        this.starsButton.title = word("buy_stars", this.language);
        this.describeStatus();
        this.composer.describe();
    }

    describeStatus() {
        if (this.action) {
            this.status.replaceChildren(word(this.action, this.language) ?? word("typing", this.language),
                make("span", { class: "dots", "aria-hidden": "true" }, make("i"), make("i"), make("i")));
            return;
        }
        const parts = [this.user.username ? `@${this.user.username}` : null, String(this.user.id), this.user.language];
        if (this.user.is_blocked) parts.push(word("blocked", this.language));
        this.status.textContent = parts.filter(Boolean).join(" · ");
    }

    // -- messages --

    // What changes while the page is on its way may be newer than the page.
    async open() {
        this.changedMeanwhile = [];
        const page = await ask(`chat/messages?user=${this.user.id}`);
        this.messages.clear();
        this.take(page);
        const changed = this.changedMeanwhile;
        this.changedMeanwhile = null;
        this.change(changed);
        this.toEnd();
    }

    take(page) {
        for (const message of page.messages) this.messages.set(message.id, message);
        this.hasEarlier = page.has_more;
    }

    async loadEarlier() {
        if (this.isLoading || !this.hasEarlier) return;
        this.isLoading = true;
        try {
            const first = Math.min(...this.messages.keys());
            this.take(await ask(`chat/messages?user=${this.user.id}&before=${first}`));
            this.layOut();
        } finally {
            this.isLoading = false;
        }
    }

    // Messages that changed, newest state of each. Older ones than what is
    // loaded come with their page.
    change(messages) {
        if (this.changedMeanwhile) {
            this.changedMeanwhile.push(...messages);
            return;
        }
        const oldest = Math.min(...this.messages.keys());
        let added = 0;
        for (const message of messages) {
            if (message.is_deleted) {
                this.messages.delete(message.id);
            } else if (!this.hasEarlier || message.id >= oldest) {
                if (!this.messages.has(message.id)) added++;
                this.messages.set(message.id, message);
                if (message.is_bot) this.setAction(null);
            }
        }
        const wasAtEnd = this.isAtEnd();
        this.layOut();
        if (wasAtEnd) return;
        if (added && messages.some((message) => !message.is_bot)) this.toEnd();
        else this.countFresh(added);
    }

    groups() {
        const groups = [];
        for (const message of [...this.messages.values()].sort((a, b) => a.id - b.id)) {
            const last = groups[groups.length - 1];
            if (message.album && last?.[0].album === message.album) last.push(message);
            else groups.push([message]);
        }
        return groups;
    }

    // The list from the map, with as few new elements as possible.
    layOut() {
        const anchor = this.findAnchor();
        const wanted = [];
        const shown = new Map();
        let day = null;
        for (const group of this.groups()) {
            const groupDay = dayWords(group[0].date, this.language);
            if (groupDay !== day) wanted.push(this.keep(shown, `day ${groupDay}`, "", () => make("li", { class: "day" }, make("span", {}, groupDay))));
            day = groupDay;
            const taps = this.taps.filter((tap) => tap.message === group[0].id).map((tap) => tap.data);
            const made = JSON.stringify([group, taps, this.isPaying(group[0].id), this.language, this.messages.get(group[0].reply_to)?.text]);
            wanted.push(this.keep(shown, group[0].id, made, () => bubble(group, this)));
        }
        for (const [key, { element }] of this.shown) if (!shown.has(key)) element.remove();
        this.shown = shown;
        let at = this.list.firstElementChild;
        for (const element of wanted) {
            if (element === at) at = at.nextElementSibling;
            else this.list.insertBefore(element, at);
        }
        this.markRuns(wanted);
        this.describeWelcome();
        this.restoreAnchor(anchor);
    }

    keep(shown, key, made, build) {
        const old = this.shown.get(key);
        let element = old?.element;
        if (!old || old.made !== made) {
            element = build();
            if (old) replaceGently(old.element, element);
        }
        shown.set(key, { made, element });
        return element;
    }

    // Bubbles of one side that follow each other stand closer together.
    markRuns(elements) {
        const side = (element) => element?.classList.contains("message") ? element.classList.contains("from-bot") : null;
        elements.forEach((element, at) => {
            element.classList.toggle("run", side(element) !== null && side(elements[at - 1]) === side(element));
            element.classList.toggle("tail", side(element) !== null && side(elements[at + 1]) !== side(element));
        });
    }

    describeWelcome() {
        const isEmpty = this.messages.size === 0;
        this.welcome.hidden = !isEmpty;
        if (isEmpty && !this.welcome.firstChild)
            this.welcome.append(make("p", {}, word("nothing_yet", this.language)),
                make("button", { type: "button", class: "strong", onclick: () => this.send("/start") }, word("start", this.language)));
    }

    // -- scroll --

    isAtEnd() {
        return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < nearEnd;
    }

    // At the end the end stays in view; elsewhere the first visible bubble stays.
    findAnchor() {
        if (this.isAtEnd()) return null;
        const top = this.scroll.getBoundingClientRect().top;
        for (const element of this.list.querySelectorAll(".message")) { // a day's heading sticks to the top by itself
            const box = element.getBoundingClientRect();
            if (box.bottom > top) return { id: element.dataset.message, element, top: box.top };
        }
        return null;
    }

    restoreAnchor(anchor) {
        if (!anchor) {
            this.toEnd();
            return;
        }
        const now = anchor.element.isConnected ? anchor.element : this.list.querySelector(`[data-message="${anchor.id}"]`);
        if (now) this.scroll.scrollTop += now.getBoundingClientRect().top - anchor.top;
    }

    // At once: a page of earlier messages that arrives during a smooth way would end it.
    toEnd() {
        this.scroll.scrollTop = this.scroll.scrollHeight;
        this.endTop = this.scroll.scrollTop;
    }

    // The event of a scroll comes a frame later than the scroll.
    wasMoved() {
        return !this.isAtEnd() && this.scroll.scrollTop !== this.endTop;
    }

    onScroll() {
        const isAtEnd = this.isAtEnd();
        this.isStuck = isAtEnd;
        this.jump.hidden = isAtEnd;
        if (isAtEnd) this.countFresh(-Infinity);
        if (this.scroll.scrollTop < 300) this.loadEarlier().catch((error) => this.toast(error.message));
    }

    countFresh(added) {
        this.freshCount = Math.max(0, (this.freshCount ?? 0) + added);
        this.fresh.textContent = String(this.freshCount);
        this.fresh.hidden = this.freshCount === 0;
    }

    // -- what the bot shows besides messages --

    setAction(action) {
        clearTimeout(this.actionTimer);
        this.action = action;
        if (action) this.actionTimer = setTimeout(() => this.setAction(null), actionLasts);
        this.describeStatus();
    }

    toast(text) {
        const shown = make("p", { class: "toast" }, text);
        this.toasts.append(shown);
        setTimeout(() => shown.remove(), toastLasts);
    }

    answer(answer) {
        this.answered.add(answer.query);
        this.endTap((tap) => tap.query === answer.query);
        if (answer.text && answer.show_alert) this.shell.alert(answer.text);
        else if (answer.text) this.toast(answer.text);
    }

    // -- what the user does --

    async attempt(work) {
        try {
            return await work();
        } catch (error) {
            this.toast(`${word("failed", this.language)}: ${error.message}`);
            return null;
        }
    }

    send(text) {
        return this.attempt(async () => {
            await tell("chat/send", { user: this.user.id, text });
            this.toEnd();
        });
    }

    isTapped(message, data) {
        return this.taps.some((tap) => tap.message === message && tap.data === data);
    }

    endTap(which) {
        const left = this.taps.filter((tap) => !which(tap));
        if (left.length === this.taps.length) return;
        this.taps = left;
        this.layOut();
    }

    async tap(message, data) {
        if (this.isTapped(message, data)) return;
        const tap = { message, data };
        this.taps.push(tap);
        this.layOut();
        const made = await this.attempt(() => tell("chat/tap", { user: this.user.id, message, data }));
        tap.query = made?.query;
        if (!made || this.answered.has(made.query)) this.endTap((other) => other === tap);
        else setTimeout(() => this.endTap((other) => other === tap), queryLasts);
    }

    isPaying(message) {
        return this.paying.has(message);
    }

    // The bot has ten seconds to agree; its words are shown when it does not.
    async pay(message) {
        if (this.isPaying(message)) return;
        this.paying.add(message);
        this.layOut();
        const made = await this.attempt(() => tell("chat/pay", { user: this.user.id, message }));
        this.paying.delete(message);
        this.layOut();
        if (made?.state === "refused") this.shell.alert(made.words);
        else if (made && made.state !== "paid") this.shell.alert(word(`payment_${made.state}`, this.language));
    }

    buyStars() {
        return this.attempt(() => tell("chat/stars", { user: this.user.id, stars: 1000 }));
    }

    setBlocked(isBlocked) {
        return this.attempt(() => tell("chat/block", { user: this.user.id, is_blocked: isBlocked }));
    }

    // A message that another one answers, where it is loaded.
    show(id) {
        const element = this.list.querySelector(`[data-messages~="${id}"]`);
        if (!element) return;
        element.scrollIntoView({ block: "center" });
        element.classList.remove("shown-now");
        requestAnimationFrame(() => element.classList.add("shown-now"));
    }

    enlarge(address, words) {
        this.shell.enlarge(address, words);
    }
}

// A changed bubble takes over the loaded pictures of the old one, and the focus
// when it was on a button: an edit must not blink and must not lose the keyboard.
function replaceGently(before, after) {
    for (const old of before.querySelectorAll("[data-file] img")) {
        const holder = after.querySelector(`[data-file="${CSS.escape(old.parentElement.dataset.file)}"]`);
        holder?.replaceChildren(old);
    }
    const keys = [...before.querySelectorAll(".keyboard button, .keyboard a")];
    const focused = keys.indexOf(document.activeElement);
    before.replaceWith(after);
    if (focused >= 0) {
        const now = [...after.querySelectorAll(".keyboard button, .keyboard a")];
        (now[focused] ?? now[now.length - 1])?.focus({ preventScroll: true });
    }
}
