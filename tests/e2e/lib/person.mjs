// person.mjs - somebody who chats with the bot through the sandbox's control
// door, without a browser. What is waited for is always something that shows.
import assert from "node:assert/strict";
import { until } from "./until.mjs";

let next = 4_000_000_000 + Math.floor(Math.random() * 1e9) * 10; // above 2^32, as new people's ids are

function buttonsOf(message) {
    return (message?.markup?.inline_keyboard ?? []).flat().filter((button) => button.callback_data);
}

export class Person {
    static async meet(ground, { language = "en" } = {}) {
        const person = new Person(ground, next++);
        await ground.control("person", { id: person.id, first_name: `P${person.id}`, language_code: language });
        return person;
    }

    constructor(ground, id) {
        this.ground = ground;
        this.id = id;
    }

    act(kind, more = {}) {
        return this.ground.control("update", { user: this.id, kind, ...more });
    }

    say(text) {
        return this.act("text", { text });
    }

    // Sends files ({name, type, bytes}, as photos.mjs makes them) the way Telegram's apps do: as
    // photos in albums of up to ten, what can be no photo as a file; asFiles sends all as files.
    // The ids of the messages, photos first.
    async sendPhotos(files, { asFiles = false, caption = "" } = {}) {
        const sent = files.map(({ name, type, bytes }) => ({
            kind: asFiles || !type.startsWith("image/") ? "document" : "photo",
            file_name: name, mime_type: type, bytes: bytes.toString("base64"),
        }));
        return (await this.act("files", { files: sent, caption })).message_ids;
    }

    // One album, 2 to 10 files.
    sendAlbum(files, options) {
        assert.ok(files.length >= 2 && files.length <= 10, `an album of ${files.length}`);
        return this.sendPhotos(files, options);
    }

    // A single photo, or a single file.
    async sendPhoto(file, options) {
        return (await this.sendPhotos([file], options))[0];
    }

    // What the bot has written to this person and not deleted, oldest first.
    async messages() {
        const { messages } = await this.ground.control(`messages?user=${this.id}&limit=1000`);
        return messages.filter((message) => message.is_from_bot);
    }

    async photos() {
        return (await this.messages()).filter((message) => message.kind === "photo");
    }

    // Waits for a message that fits; a text or a pattern stands for what it says.
    see(wanted, seconds) {
        const fits = typeof wanted === "function" ? wanted
            : (message) => (wanted instanceof RegExp ? wanted.test(message.text) : message.text.includes(wanted));
        return until(async () => (await this.messages()).findLast(fits), `a message ${wanted}`, seconds);
    }

    // Taps the newest button that sends this, or begins and ends like this: "imagen:ratio…16:9".
    async tap(wanted, seconds) {
        const [begin, end = ""] = wanted.split("…");
        const fits = ({ callback_data: data }) => data.startsWith(begin) && data.endsWith(end);
        const message = await until(async () => (await this.messages()).findLast((one) => buttonsOf(one).some(fits)), `a button ${wanted}`, seconds);
        const button = buttonsOf(message).find(fits);
        await this.act("tap", { message_id: message.message_id, data: button.callback_data });
        return { message, data: button.callback_data };
    }

    async start() {
        await this.say("/start");
        await this.see((message) => buttonsOf(message).some((button) => button.callback_data === "create:open"));
        // Whoever was here before sees a menu of then.
        this.rowId = (await until(() => this.ground.row("select id from users where telegram_id = :'id'", { id: this.id }), "somebody who is known")).id;
        return this;
    }

    // From the words to the button that pays: the tap that makes the order.
    async chooses(words, choices = []) {
        await this.say("/create");
        await this.see(/What shall we draw/);
        await this.say(words);
        await this.see(/Choose the shape/);
        for (const choice of choices) {
            const { data } = await this.tap(choice);
            await this.see((message) => buttonsOf(message).some((button) => button.callback_data === data && /^●/.test(button.text)));
        }
        const message = await this.see(/Choose the shape/);
        return { message_id: message.message_id, data: buttonsOf(message).find((button) => button.callback_data.startsWith("imagen:make")).callback_data };
    }

    // The paid order's row.
    async order(words, choices) {
        await this.act("tap", await this.chooses(words, choices));
        return until(() => this.orderOf(words), `an order for ${words}`);
    }

    orderOf(words) {
        return this.ground.row("select * from image_generations where user_id = :id and original_prompt = :'words' order by created_at desc limit 1",
            { id: this.rowId, words });
    }

    // The order has come to this end, and so has what there is to do for it now.
    ended(order, status, seconds) {
        return until(async () => {
            const now = await this.ground.row("select g.*, (select count(*) from jobs j where j.subject = g.id and j.state in ('queued', 'running') and j.run_at < now() + interval '45 seconds' and j.kind <> 'generation_check') as open_jobs from image_generations g where id = :'id'", { id: order.id });
            return now.status === status && now.open_jobs === 0 && now;
        }, `the order ${order.id} being ${status}`, seconds);
    }

    // The picture of an order, in the chat with its words.
    picture(words, seconds) {
        return this.see((message) => message.kind === "photo" && message.text.includes(words), seconds);
    }

    async balance() {
        const { balance, held } = await this.ground.row(
            "select coalesce(sum(balance) filter (where kind = 'user'), 0)::int as balance, coalesce(sum(balance) filter (where kind <> 'user'), 0)::int as held from ledger_accounts where user_id = :id",
            { id: this.rowId });
        return { balance, held };
    }

    // The number of the main menu.
    async shownBalance() {
        const before = (await this.messages()).length;
        await this.say("/menu");
        await until(async () => (await this.messages()).length > before, "the menu");
        return Number(/You have (\d+)/.exec((await this.messages()).at(-1).text)[1]);
    }

    // Every tap was answered.
    async checkTaps() {
        await until(async () => (await this.ground.control(`callbacks?user=${this.id}`)).callbacks.every((tap) => tap.answered_ms), "answers to all taps");
    }
}

// Nobody's coins were made or lost, and nobody owes any.
export async function checkLedger(ground) {
    const { sum, transfers, owed } = await ground.row(
        `select (select coalesce(sum(amount), 0)::int from ledger_entries) as sum,
                (select count(*)::int from (select transfer_id from ledger_entries group by 1 having sum(amount) <> 0) t) as transfers,
                (select count(*)::int from ledger_accounts where balance < 0) as owed`);
    assert.deepEqual({ sum, transfers, owed }, { sum: 0, transfers: 0, owed: 0 });
}
