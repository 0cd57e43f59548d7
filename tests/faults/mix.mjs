// mix.mjs - what people do while things break, and what must have come of it.
//
// Every message carries a token that its effect shows again, so that each is
// found: words in the screen that repeats them, an admin's update in the row
// of the link and in the message that holds the link, an order in its picture.
import { createHash } from "node:crypto";
import { portraits } from "../e2e/lib/photos.mjs";
import { pause, until } from "./ground.mjs";

export const price = 5; // coins a picture
export const trainingPrice = 150;
export const albumPhotos = 5;
const drawnEach = 2; // orders of pictures of each who has an avatar
export const adminIds = Array.from({ length: 24 }, (_, i) => 71000 + i);
const range = (first, count) => Array.from({ length: count }, (_, i) => first + i);

export class Mix {
    constructor(ground, { orders, sitters, retryScale }) {
        this.retryScale = retryScale; // of the waits between deliveries
        this.ground = ground;
        this.admins = adminIds;
        this.talkers = range(72000, 40);
        this.linguists = range(73000, 8);
        this.fans = range(74000, 8);
        this.buyers = range(75000, Math.min(40, orders));
        this.sitters = range(76000, sitters); // who upload albums, have an avatar trained, and pictures of it made
        this.drafts = new Map();    // sitter -> the avatar's id
        this.tapsOf = new Map();    // sitter -> how often a training was tapped for
        this.avatars = new Map();   // avatar -> {status, photos, trainings}, as PostgreSQL has it
        this.photos = [];           // {user, message_id} of each that was sent
        this.orderCount = orders;
        this.sent = { words: 0, admin: 0, language: 0, favourite: 0, order: 0 };
        this.posted = 0;
        this.cards = new Map();     // person -> the message whose buttons are tapped
        this.language = new Map();  // person -> as last chosen
        this.toggles = new Map();   // person -> how often
        this.orders = [];
        this.ordered = new Set();   // words of orders that PostgreSQL knows
        this.waiting = [];          // buyers who wait for a message
        this.newest = 0;
        this.calls = { newest: 0, sentAt: new Map(), done: new Set() };
        this.turn = 0;
        this.allowed = 0;           // orders that may begin by now
    }

    people() {
        return [...this.admins, ...this.talkers, ...this.linguists, ...this.fans, ...this.buyers, ...this.sitters];
    }

    async post(acts) {
        const all = [];
        for (let at = 0; at < acts.length; at += 100) {
            const answers = await this.ground.control("update", acts.slice(at, at + 100));
            if (answers.some((answer) => !answer.ok)) throw new Error(`an act was not taken: ${JSON.stringify(answers)}`);
            for (const { message_ids: ids } of answers) this.posted += ids?.length ?? 1;
            all.push(...answers);
        }
        return all;
    }

    pending() {
        return this.ground.control("pending");
    }

    empty(seconds = 300) {
        return until(async () => (await this.pending()).pending === 0, "no update is pending", seconds);
    }

    // -- new messages, as they appear --

    async watch() {
        for (;;) {
            const { messages } = await this.ground.control(`messages?after=${this.newest}&limit=2000`);
            for (const message of messages) {
                this.newest = message.message_id;
                if (message.is_from_bot) this.waiting = this.waiting.filter((one) => !(one.fits(message) && (one.found(message), true)));
            }
            await this.readCalls();
            if (messages.length < 2000) return;
        }
    }

    // When each message was sent; the log keeps the last 20 000 calls.
    async readCalls() {
        const { calls } = await this.ground.control(`calls?after=${this.calls.newest}&limit=20000`);
        for (const call of calls) {
            this.calls.newest = Math.max(this.calls.newest, call.id);
            if (call.status === 200) this.calls.done.add(whatItDoes(call));
            if (call.status !== 200 || !call.method.startsWith("send")) continue;
            for (const [, id] of call.result.matchAll(/"message_id":\s*(\d+)/g)) this.calls.sentAt.set(Number(id), call.at_ms);
        }
    }

    // A worker that dies between a call and its note makes the next one call again.
    wasDone(call) {
        return this.calls.done.has(whatItDoes(call));
    }

    // Who taps again before the first tap had its effect may be shown the same screen once more.
    wasTappedAgain(call) {
        const chat = Number(/"chat_id":(\d+)/.exec(call.parameters)?.[1]);
        return /not modified/.test(call.result) && this.tapsOf.get(chat) > 1;
    }

    async keepWatching() {
        while (!this.isOver) {
            await this.watch();
            await this.readOrders();
            await pause(300);
        }
    }

    message(user, fits, what = String(fits)) {
        let arrived;
        this.waiting.push({ fits: (message) => message.chat_id === user && fits(message), found: (message) => (arrived = message) });
        const waited = this.until(() => arrived, `a message to ${user}: ${what}`, 1800);
        waited.catch(() => {}); // whoever asked may have failed before it awaits this
        return waited;
    }

    // -- before anything breaks --

    async prepare() {
        for (const id of this.people())
            await this.ground.control("person", { id, first_name: `P${id}`, language_code: "en" });
        for (const [name, value] of [["telegram.retry_scale", this.retryScale], ["fal.seconds", 1], ["fal.running", 16], ["fal.pixels", 256], ["fal.retry_scale", 0.05], ["fal.training_seconds", 2]])
            await this.ground.control("fault", { name, value });
        this.watching = this.keepWatching();
        await this.post(this.people().map((user) => ({ user, kind: "text", text: "/start" })));
        const screens = this.linguists.map((user) => this.message(user, (message) => hasButton(message, "language:set:ru")));
        await this.post(this.linguists.map((user) => ({ user, kind: "text", text: "/language" })));
        await this.post(this.talkers.map((user) => ({ user, kind: "text", text: "/create" })));
        for (const card of await Promise.all(screens)) this.cards.set(card.chat_id, card.message_id);
        await Promise.all(this.fans.map((user) => this.makeFan(user)));
        await Promise.all(this.sitters.map((user) => this.makeSitter(user)));
        await this.empty();
    }

    // Somebody with one picture, open in the gallery.
    // A gallery that is opened in the moment before that sends the picture without its card.
    async isKnown(user) {
        const rows = await this.ground.sql(`select i.id from images i join users u on u.id = i.user_id
            where u.telegram_id = ${user} and i.telegram_file_id is not null`);
        return rows.length > 0;
    }

    async makeFan(user) {
        const photo = this.message(user, (message) => message.kind === "photo");
        await this.order(user, `fan-${user}`, 1);
        await photo;
        await until(() => this.isKnown(user), "Telegram's name for the picture is kept", 120);
        const card = this.message(user, (message) => buttonOf(message, "gallery:favorite"));
        await this.post([{ user, kind: "text", text: "/gallery" }]);
        const shown = await card;
        this.cards.set(user, shown.message_id);
        this.cards.set(`${user} tap`, buttonOf(shown, "gallery:favorite"));
        this.toggles.set(user, 0);
    }

    // Somebody with a draft, of whom photos are awaited.
    async makeSitter(user) {
        const list = this.message(user, (message) => hasButton(message, "avatar:new"));
        await this.post([{ user, kind: "text", text: "/avatars" }]);
        const { message_id } = await list;
        await this.post(["avatar:new", "avatar:agree", "avatar:type:style"].map((data) => ({ user, kind: "tap", message_id, data, forged: true })));
        await this.shows(user, (message) => message.message_id === message_id && buttons(message).length === 1 && hasButton(message, "menu:open"));
        const upload = this.message(user, (message) => message.text.includes(`S-${user}`) && buttonOf(message, "avatar:delete:"));
        await this.post([{ user, kind: "text", text: `S-${user}` }]);
        const shown = await upload;
        this.drafts.set(user, buttonOf(shown, "avatar:delete:").split(":")[2]);
    }

    // A message as it stands now, edits and all.
    shows(user, fits) {
        return this.until(async () => (await this.ground.control(`messages?user=${user}&limit=1000`)).messages.findLast((message) => message.is_from_bot && fits(message)),
            `a screen of ${user}`, 1800);
    }

    // -- the mix: of ten acts three and a half write --

    act() {
        const n = this.turn++;
        const of = (people) => people[Math.floor(n / 20) % people.length];
        switch (n % 20) {
        case 0: case 4: case 8: case 12: case 16:
            this.sent.admin++;
            return { user: this.admins[Math.floor(n / 4) % this.admins.length], kind: "text", text: "/admin" };
        case 6: {
            const user = of(this.linguists), to = this.language.get(user) === "ru" ? "en" : "ru";
            this.sent.language++;
            this.language.set(user, to);
            return { user, kind: "tap", message_id: this.cards.get(user), data: `language:set:${to}`, forged: true };
        }
        case 14: {
            const user = of(this.fans);
            this.sent.favourite++;
            this.toggles.set(user, this.toggles.get(user) + 1);
            return { user, kind: "tap", message_id: this.cards.get(user), data: this.cards.get(`${user} tap`), forged: true };
        }
        default:
            return { user: this.talkers[n % this.talkers.length], kind: "text", text: `token w-${this.sent.words++}-` };
        }
    }

    feed(count) {
        return this.post(Array.from({ length: count }, () => this.act()));
    }

    // -- orders: each goes by itself as soon as it may --

    async order(user, token, count) {
        const asked = this.message(user, (message) => hasButton(message, "menu:open") && !message.text.includes(token));
        await this.post([{ user, kind: "text", text: "/create" }]);
        await asked;
        const options = this.message(user, (message) => message.text.includes(`${token}.`) && buttonOf(message, "imagen:make:"));
        await this.post([{ user, kind: "text", text: `a lighthouse ${token}.` }]);
        const shown = await options, { message_id } = shown;
        const name = buttonOf(shown, "imagen:make:").split(":")[2];
        if (count > 1) await this.post([{ user, kind: "tap", message_id, data: `imagen:count:${name}:${count}` }]);
        await this.post([{ user, kind: "tap", message_id, data: `imagen:make:${name}:${price * count}`, forged: true }]);
        // Taps and messages of one person overtake each other, so the next words wait for this.
        await this.until(() => this.ordered.has(`a lighthouse ${token}.`), `the order ${token} is taken`, 1800);
    }

    // -- avatars: an album, a training, pictures --

    async sit(user) {
        const id = this.drafts.get(user);
        const files = portraits(albumPhotos, { from: user - this.sitters[0] }).map(({ name, type, bytes }) =>
            ({ kind: "photo", file_name: name, mime_type: type, bytes: bytes.toString("base64") }));
        const [{ message_ids: ids }] = await this.post([{ user, kind: "files", files }]);
        this.photos.push(...ids.map((message_id) => ({ user, message_id })));
        const reads = (what, fits) => this.until(() => this.avatars.has(id) && fits(this.avatars.get(id)), `${what} of ${user}`, 1800);
        await reads("the photos", (avatar) => avatar.kept === albumPhotos);

        await this.orderTraining(user, id);
        await reads("the avatar", (avatar) => avatar.status === "completed");
        for (let n = 0; n < drawnEach; n++) await this.draw(user, id, `f-${user}-${n}-`);
    }

    // As somebody does who sees nothing come of a tap: once more, on whatever stands there now.
    orderTraining(user, id) {
        return this.until(async () => {
            if (this.avatars.get(id)?.trainings > 0) return true;
            this.tapsOf.set(user, (this.tapsOf.get(user) ?? 0) + 1);
            for (const begin of ["training:start:", "training:open:"])
                if (await this.tapShown(user, begin)) break;
            await pause(1500);
            return false;
        }, `the training of ${user}`, 1800);
    }

    // False when there is no such button, or its message has just gone.
    async tapShown(user, begin) {
        const { messages } = await this.ground.control(`messages?user=${user}&limit=1000`);
        const message = messages.findLast((one) => one.is_from_bot && buttonOf(one, begin));
        if (!message) return false;
        const { ok } = await this.ground.control("update", { user, kind: "tap", message_id: message.message_id, data: buttonOf(message, begin), forged: true })
            .catch(() => ({ ok: false }));
        this.posted += ok ? 1 : 0;
        return ok;
    }

    async draw(user, id, token) {
        // The message that says that it is ready leads there as well, and may come before the card.
        const list = this.message(user, (message) => buttonOf(message, `flux:use:${id}`) && buttonOf(message, "avatar:rename:"));
        await this.post([{ user, kind: "text", text: "/avatars" }]);
        const { message_id } = await list;
        await this.post([{ user, kind: "tap", message_id, data: `flux:use:${id}`, forged: true }]);
        await this.shows(user, (message) => message.message_id >= message_id && /^✍️/.test(message.text) && !buttonOf(message, "flux:make:"));
        const options = this.message(user, (message) => message.text.includes(`${token}.`) && buttonOf(message, "flux:make:"));
        await this.post([{ user, kind: "text", text: `at the sea ${token}.` }]);
        const shown = await options;
        await this.post([{ user, kind: "tap", message_id: shown.message_id, data: buttonOf(shown, "flux:make:"), forged: true }]);
        await this.until(() => this.ordered.has(`at the sea ${token}.`), `the order ${token} is taken`, 1800);
    }

    drawn() {
        return this.sitters.length * drawnEach;
    }

    // One question for all buyers, and one for all sitters.
    async readOrders() {
        const rows = await this.ground.sql("select original_prompt as words from image_generations").catch(() => []);
        this.ordered = new Set(rows.map((row) => row.words));
        const avatars = await this.ground.sql(`select a.id, a.status,
            (select count(*) from avatar_photos p where p.avatar_id = a.id and p.validation_status = 'valid') as kept,
            (select count(*) from avatar_trainings t where t.avatar_id = a.id) as trainings from avatars a`).catch(() => []);
        for (const avatar of avatars) this.avatars.set(avatar.id, avatar);
    }

    startOrders() {
        this.ordering = [...this.buyers.map((user) => this.buy(user)), ...this.sitters.map((user) => this.sitWhenItMay(user))];
        for (const buying of this.ordering) buying.catch((error) => (this.failure ??= error));
    }

    // As long as the test lasts.
    until(asks, what, seconds) {
        return until(() => {
            if (this.isOver) throw new Error(`the test ended before ${what}`);
            return asks();
        }, what, seconds);
    }

    // However the test went: nothing of it may go on, or the process never ends.
    async end() {
        this.isOver = true;
        await Promise.allSettled([this.watching, ...(this.ordering ?? [])].filter(Boolean).map((one) =>
            Promise.race([one, pause(2000)])));
    }

    async buy(user) {
        for (;;) {
            await this.until(() => this.allowed > 0 || this.orders.length >= this.orderCount, "an order may begin", 7200);
            if (this.orders.length >= this.orderCount) return;
            this.allowed--;
            const n = this.orders.length;
            const order = { user, token: `${n % 10 === 9 ? "[unsafe] " : ""}o-${n}-`, count: n % 5 === 4 ? 2 : 1 };
            this.orders.push(order);
            await this.order(user, order.token, order.count);
            this.sent.order++;
        }
    }

    // One after another, over the whole length of the faults.
    async sitWhenItMay(user) {
        const place = (user - this.sitters[0]) / this.sitters.length;
        await this.until(() => this.orders.length >= place * this.orderCount, "a sitter may begin", 7200);
        await this.sit(user);
    }

    async over(seconds) {
        let placed = false;
        this.allowed = this.orderCount;
        Promise.all(this.ordering).then(() => (placed = true), () => {});
        await until(() => {
            if (this.failure) throw this.failure;
            return placed;
        }, "all orders are placed", seconds);
        this.isOver = true;
        await this.watching;
    }

    async messages() {
        const all = [];
        for (let after = 0; ;) {
            const { messages } = await this.ground.control(`messages?after=${after}&limit=5000`);
            all.push(...messages.filter((message) => message.is_from_bot));
            if (messages.length < 5000) return all;
            after = messages.at(-1).message_id;
        }
    }
}

const buttons = (message) => message.markup?.inline_keyboard?.flat() ?? [];
const hasButton = (message, data) => buttons(message).some((button) => button.callback_data === data);
const buttonOf = (message, start) => buttons(message).find((button) => button.callback_data?.startsWith(start))?.callback_data;
export const linkToken = (message) => buttons(message).map((button) => /token=([0-9a-f]+)/.exec(button.url ?? "")?.[1]).find(Boolean);
export const sha256 = (text) => createHash("sha256").update(text).digest("hex");

// An answer to a tap is known by the tap, other calls by all that they say.
const whatItDoes = (call) => /"callback_query_id":"\d+"/.exec(call.parameters)?.[0] ?? `${call.method} ${call.parameters}`;

// Groups what can be seen by the token in it.
export function byToken(messages, tokenOf) {
    const groups = new Map();
    for (const message of messages) {
        const token = tokenOf(message);
        if (token) groups.set(token, [...(groups.get(token) ?? []), message]);
    }
    return groups;
}
