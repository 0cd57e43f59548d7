// walk.mjs - going through the bot's screens by the chat page, in any language.
//
// Buttons are found by what they send, not by their words. A step is over when
// the bot's side of the chat has changed, no button spins, and it has stood
// still for a moment.
import { Chat, openChat } from "./browser.mjs";
import { Person } from "./person.mjs";

const stillFor = 500; // ms
const mostWait = 60000; // ms

export class Walk extends Chat {
    static async begin(browser, ground, language, options = {}) {
        const id = 20000 + Math.floor(Math.random() * 1e9);
        const page = await openChat(browser, ground.url, { users: [], ...options });
        await page.request.post(`${ground.url}/chat/user`, {
            data: { id, name: language === "ru" ? "Ася" : "Bob", username: `walk${id}`, language },
        });
        await page.goto(`${ground.url}/#${id}`);
        await page.reload();
        await page.waitForSelector(`.column[data-user="${id}"]`);
        return new Walk(page, id, ground);
    }

    constructor(page, user, ground) {
        super(page, user);
        this.user = user;
        this.ground = ground;
        this.person = new Person(ground, user);
    }

    // What the bot shows now, as one text.
    look() {
        return this.column.evaluate((column) => [...column.querySelectorAll(".from-bot, .toast"), ...document.querySelectorAll("#alert-dialog[open]")]
            .map((element) => [element.innerText, ...[...element.querySelectorAll("[data-file]")].map((file) => file.dataset.file)].join("|")).join("\n")
            + (column.querySelector(".busy") ? "\nbusy" : ""));
    }

    async changed(before) {
        const until = Date.now() + mostWait;
        let last = await this.look();
        let since = Date.now();
        while (Date.now() < until) {
            const now = await this.look();
            if (now !== last) since = Date.now();
            last = now;
            if (now !== before && !now.endsWith("\nbusy") && Date.now() - since >= stillFor) return;
            await this.page.waitForTimeout(50);
        }
        throw new Error("the bot showed nothing new");
    }

    async say(text) {
        const before = await this.look();
        await this.type(text);
        await this.changed(before);
    }

    // The newest button whose tap begins with this name and, where one is given, ends in this value.
    button(name, value = "") {
        const ending = value && `[data-callback$=":${value}"]`;
        return this.column.locator(`.keys [data-callback^="${name}"]${ending}`).last();
    }

    async tap(name, value) {
        const before = await this.look();
        await this.button(name, value).click();
        await this.changed(before);
    }

    // Pays the newest invoice.
    async pay() {
        const before = await this.look();
        await this.column.locator(".keys [data-pay]").last().click();
        await this.changed(before);
    }

    // Waits until the newest message of the bot has such a button.
    async until(tap) {
        await this.page.waitForFunction(([user, wanted]) => {
            const last = [...document.querySelectorAll(`.column[data-user="${user}"] .from-bot`)].pop();
            return last?.querySelector(`.keys [data-callback^="${wanted}"]`);
        }, [this.user, tap], { timeout: mostWait });
        await this.page.waitForTimeout(stillFor);
    }

    // Waits until no message of the chat has such a button any more.
    async untilGone(tap) {
        await this.page.waitForFunction(([user, gone]) =>
            !document.querySelector(`.column[data-user="${user}"] .keys [data-callback^="${gone}"]`),
        [this.user, tap], { timeout: mostWait });
        await this.page.waitForTimeout(stillFor);
    }

    // Waits until the bot's newest messages, as many as `among`, say such a thing.
    async reads(pattern, among = 1) {
        await this.page.waitForFunction(([user, source, count]) =>
            [...document.querySelectorAll(`.column[data-user="${user}"] .from-bot`)].slice(-count)
                .some((message) => new RegExp(source, "u").test(message.innerText)),
        [this.user, pattern.source, among], { timeout: mostWait });
        await this.page.waitForTimeout(stillFor);
    }

    // Sends photos as an app does, and waits until the bot says such a thing. What it answers to a
    // photo of them stands above or below what it says of all.
    async show(files, pattern, options) {
        await this.person.sendPhotos(files, options);
        await this.reads(pattern, 2);
    }

    // Every call of the bot that Telegram refused, as "method: description".
    async refusals() {
        const answer = await this.page.request.get(`${this.ground.url}/chat/calls?user=${this.user}&refused=1`);
        return (await answer.json()).calls.map((call) => `${call.method}: ${call.description}`);
    }

    end() {
        return this.page.context().close();
    }
}
