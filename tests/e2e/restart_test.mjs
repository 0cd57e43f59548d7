// restart_test.mjs - everything is stopped and started again in the middle of
// somebody's order, and Redis is wiped: money, work and pictures stay, and
// whoever was choosing something goes on where they were.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const price = 5;
let ground, welcome;

before(async () => {
    ground = await OwnGround.start("restart", { settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100 }, processes: 2 });
});

beforeEach(async () => {
    await ground.noFaults();
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
});

after(() => ground?.end());

async function meet() {
    const person = await (await Person.meet(ground)).start();
    welcome = (await person.balance()).balance;
    return person;
}

async function restart() {
    await ground.halt();
    await ground.resume();
}

// One picture, one price, nothing held, nothing left to do.
async function isDeliveredOnce(person, order, words) {
    await person.ended(order, "completed");
    await person.picture(words);
    assert.equal((await person.photos()).length, 1);
    assert.deepEqual(await person.balance(), { balance: welcome - price, held: 0 });
    const { images, captured } = await ground.row(
        `select (select count(*)::int from images where generation_id = :'id') as images,
                (select count(*)::int from ledger_transfers where subject = :'id' and kind = 'capture') as captured`, { id: order.id });
    assert.deepEqual({ images, captured }, { images: 1, captured: 1 });
}

const submitted = (order) => until(() => ground.row("select id from image_generations where id = :'id' and fal_request_id is not null", { id: order.id }), "an order that FAL has");
const buttons = (message) => message.markup.inline_keyboard.flat();
const card = (person) => person.see((message) => message.kind === "photo" && message.markup && buttons(message).some((button) => button.callback_data.startsWith("gallery:older")));
const place = (message) => buttons(message).map((button) => /^(\d+)\D+(\d+)$/.exec(button.text)).find(Boolean)?.slice(1).join("/");

test("an order that FAL works on outlives a restart of everything", async () => {
    const person = await meet(), words = "a phoenix";
    await ground.fault("fal.seconds", 4);
    const order = await person.order(words);
    await submitted(order);
    await restart();
    await isDeliveredOnce(person, order, words);
});

test("an order that was paid and not begun outlives it too", async () => {
    const person = await meet(), words = "a seed in winter";
    await ground.fault("fal.submit", 503);
    const order = await person.order(words);
    await until(() => ground.row("select id from jobs where subject = :'id' and attempt > 0", { id: order.id }), "a first try");
    await restart();
    assert.deepEqual(await person.balance(), { balance: welcome - price, held: price });
    await ground.fault("fal.submit", null);
    await isDeliveredOnce(person, order, words);
});

test("choices and the place in the gallery are as they were before the restart", async () => {
    const person = await meet(), chooser = await meet();
    const three = ["the first of three", "the second of three", "the third of three"];
    for (const words of three) {
        const order = await person.order(words);
        await person.ended(order, "completed");
        await person.picture(words);
    }
    await person.say("/gallery");
    await card(person);
    await person.tap("gallery:older");
    await until(async () => place(await card(person)) === "2/3", "the second of three");
    await chooser.chooses("half chosen words", ["imagen:ratio…:9:16", "imagen:count…:2"]);

    await restart();
    await person.tap("gallery:older");
    await until(async () => place(await card(person)) === "3/3", "the third of three");
    assert.match((await card(person)).text, /the first of three/);
    const options = await chooser.see(/Choose the shape/);
    await chooser.act("tap", { message_id: options.message_id, data: buttons(options).find((one) => one.callback_data.startsWith("imagen:make")).callback_data });
    const order = await until(() => chooser.orderOf("half chosen words"), "the order");
    assert.deepEqual([order.aspect_ratio, order.num_images, order.original_prompt], ["9:16", 2, "half chosen words"]);
    await chooser.ended(order, "completed");
});

test("a wipe of Redis in the middle costs neither money nor work nor the picture", async () => {
    const person = await meet(), words = "a fish without memory";
    await ground.fault("fal.seconds", 3);
    const order = await person.order(words);
    await submitted(order);
    await ground.redis("flushall");
    await isDeliveredOnce(person, order, words);
    assert.equal(await person.shownBalance(), welcome - price);
});

test("a wipe of Redis before the workers have begun costs nothing either", async () => {
    const person = await meet(), words = "a note on the fridge";
    const make = await person.chooses(words);
    const order = await ground.withoutWorkers(async () => {
        await person.act("tap", make);
        const ordered = await until(() => person.orderOf(words), "the order");
        await ground.settled();
        await ground.redis("flushall");
        return ordered;
    });
    await isDeliveredOnce(person, order, words);
});

test("a wipe between the picture and its way to the chat loses nothing", async () => {
    const person = await meet(), words = "a parcel on the road";
    const make = await person.chooses(words);
    await ground.fault("telegram.down", true);
    await person.act("tap", make);
    const order = await until(() => person.orderOf(words), "the order");
    await until(() => ground.row("select id from image_generations where id = :'id' and status = 'completed'", { id: order.id }), "a finished picture");
    await ground.redis("flushall");
    await ground.fault("telegram.down", null);
    await isDeliveredOnce(person, order, words);
});

test("a dialog that was lost with Redis ends in the menu, not in an error", async () => {
    const person = await meet();
    const make = await person.chooses("words that will be forgotten");
    await ground.redis("flushall");
    await person.act("tap", make);
    await person.see(/Main menu/);
    assert.equal(await person.orderOf("words that will be forgotten"), undefined);
    assert.deepEqual(await person.balance(), { balance: welcome, held: 0 });
    await person.checkTaps();
});

test("what Telegram calls the bot is asked at each start", async () => {
    const isNamed = () => ground.row("select from bots where username = 'aisha_sandbox_bot'");
    await until(isNamed, "the name");
    await ground.sql("update bots set username = 'an_earlier_name'");
    await restart();
    await until(isNamed, "the new name");
});

test("in the end the ledger is in order and no call was refused", async () => {
    await checkLedger(ground);
    assert.deepEqual(await ground.callReport(), []);
    assert.equal((await ground.row("select count(*)::int as n from jobs where state = 'dead'")).n, 0);
});
