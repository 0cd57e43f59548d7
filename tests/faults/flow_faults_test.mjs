// flow_faults_test.mjs - pictures by words, the gallery, notes, purchases and the copy of one's data
// while the store, Telegram or OpenAI misbehaves. Each ends as it would have, once and at its price, or in
// words and with all coins back. docs/faults.md has the table of which fault meets which of them where.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { OwnGround } from "../e2e/lib/ground.mjs";
import { Person, checkLedger } from "../e2e/lib/person.mjs";
import { arrived, recording, send } from "../e2e/lib/speech.mjs";
import { until } from "../e2e/lib/until.mjs";
import { encode } from "../e2e/lib/voice.mjs";

const picturePrice = 5, coinsAtFirst = 500;
let ground;

async function reset() {
    await ground.noFaults();
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    await ground.fault("fal.retry_scale", 0.02);
    await ground.fault("telegram.retry_scale", 0.02);
}

before(async () => {
    ground = await OwnGround.start("flow_faults", {
        settings: {
            SEND_CHAT_MESSAGES_PER_SECOND: 100, WELCOME_COINS: coinsAtFirst, IMAGEN4_GENERATION_COST: picturePrice,
            FLOOD_LIMIT_PER_MINUTE: 1000,
        },
    });
});

beforeEach(reset);

after(() => ground?.end());

const meet = async () => (await Person.meet(ground)).start();
const hasTap = (message, begin) => (message.markup?.inline_keyboard ?? []).flat().some((button) => button.callback_data?.startsWith(begin));
const documents = async (person) => (await person.messages()).filter((message) => message.kind === "document");
const transfersOf = async (id) => (await ground.sql("select kind from ledger_transfers where subject = :'id' order by id", { id })).map((row) => row.kind);
const isWaiting = (person, kind) => until(() => ground.row(
    "select id from jobs where user_id = :id and kind = :'kind' and state in ('queued', 'running') and last_error is not null", { id: person.rowId, kind }), `a ${kind} that was tried in vain`);
const isDone = (person, kind) => until(() => ground.row("select id from jobs where user_id = :id and kind = :'kind' and state = 'done'", { id: person.rowId, kind }), `a ${kind} that is done`);
const hurry = (person) => ground.sql(`update jobs set run_at = now() where user_id = ${person.rowId} and state = 'queued'`);

// Somebody with a picture, shown in the gallery.
async function collector(words = "a heron in the reeds") {
    const person = await meet();
    await person.ended(await person.order(words), "completed");
    await person.picture(words);
    await showGallery(person);
    return person;
}

async function showGallery(person) {
    const before = (await person.messages()).at(-1).message_id;
    await person.say("/gallery");
    return person.see((message) => message.message_id > before && hasTap(message, "gallery:file"));
}

// One document with these words, and nothing charged for it.
async function isSentOnce(person, pattern, balance) {
    await person.see((message) => message.kind === "document" && pattern.test(message.text));
    assert.equal((await documents(person)).filter((message) => pattern.test(message.text)).length, 1);
    assert.deepEqual(await person.balance(), balance);
}

// Somebody before the button that collects their data.
async function atData() {
    const person = await meet();
    await person.say("/mydata");
    await person.see((message) => hasTap(message, "mydata:make"));
    return person;
}

// An invoice of the smallest package.
async function buyer(person) {
    await person.say("/balance");
    await person.tap("topup:open");
    await person.tap("topup:buy:250");
    return person.see((message) => message.kind === "invoice");
}

const paid = (person) => until(async () => (await ground.control(`checkouts?user=${person.id}`)).checkouts.find((one) => one.state !== "asked"), "the end of a checkout");
const receipts = async (person) => (await person.messages()).filter((message) => /Payment No\./.test(message.text));

// ---------------------------------------------------------------- S3

// What a chat waits for stands before everything else in it: a person each.
test("S3 down: a picture of the gallery, its file and a copy of the data wait for it, and cost nothing", async () => {
    const viewer = await collector(), keeper = await collector(), owner = await atData();
    const balances = new Map(await Promise.all([viewer, keeper, owner].map(async (person) => [person, await person.balance()])));
    const newest = (await viewer.messages()).at(-1).message_id;
    await ground.sql(`update images set telegram_file_id = null where user_id = ${viewer.rowId}`);
    await ground.fault("store.answer", 503);
    await viewer.say("/gallery");
    await keeper.tap("gallery:file");
    await owner.tap("mydata:make");
    for (const [person, kind] of [[viewer, "gallery_send"], [keeper, "gallery_file"], [owner, "mydata_pack"]]) await isWaiting(person, kind);
    assert.deepEqual([...await documents(keeper), ...await documents(owner)], []);
    await ground.fault("store.answer", null);
    for (const person of [viewer, keeper, owner]) await hurry(person);
    await viewer.see((message) => message.message_id > newest && message.kind === "photo" && hasTap(message, "gallery:file"));
    assert.deepEqual(await viewer.balance(), balances.get(viewer));
    await isSentOnce(keeper, /Picture of .* in full quality/, balances.get(keeper));
    await isSentOnce(owner, /archive 1, the last one/, balances.get(owner));
});

test("S3 down: a picture by words waits for it, and is paid once", async () => {
    const person = await meet(), words = "a picture that waits for the store";
    await ground.fault("store.answer", 503);
    const order = await person.order(words);
    await isWaiting(person, "generation_store");
    assert.deepEqual(await transfersOf(order.id), ["hold"]);
    await ground.fault("store.answer", null);
    await hurry(person);
    await person.ended(order, "completed");
    await person.picture(words);
    assert.deepEqual(await transfersOf(order.id), ["hold", "capture"]);
    assert.deepEqual(await person.balance(), { balance: coinsAtFirst - picturePrice, held: 0 });
});

// ---------------------------------------------------------------- Telegram

// These do one thing each while nobody sends; then the fault, and everybody is let go.
async function ordersOfEachKind() {
    const [drawer, owner, viewer, buying] = [await meet(), await atData(), await collector(), await meet()];
    const make = await drawer.chooses("a picture that is told late");
    const invoice = await buyer(buying);
    const balances = new Map(await Promise.all([drawer, owner, viewer, buying].map(async (person) => [person, await person.balance()])));
    const begin = async () => {
        await drawer.act("tap", make);
        await owner.tap("mydata:make");
        await viewer.tap("gallery:file");
        await buying.act("pay", { message_id: invoice.message_id });
        assert.equal((await paid(buying)).state, "paid");
        await ground.settled();
    };
    return { drawer, owner, viewer, buying, balances, begin };
}

test("Telegram 429: a picture, a file, an archive and a receipt are told later, each once", async () => {
    const { drawer, owner, viewer, buying, balances, begin } = await ordersOfEachKind();
    await ground.withoutWorkers(async () => {
        await begin();
        await ground.fault("telegram.429", { retry_after: 1, times: 6 });
    });
    const order = await drawer.orderOf("a picture that is told late");
    await drawer.ended(order, "completed");
    await drawer.picture("a picture that is told late");
    assert.equal((await drawer.photos()).length, 1);
    assert.deepEqual(await drawer.balance(), { balance: coinsAtFirst - picturePrice, held: 0 });
    await isSentOnce(viewer, /in full quality/, balances.get(viewer));
    await isSentOnce(owner, /archive 1, the last one/, balances.get(owner));
    await buying.see(/Payment No\./);
    assert.equal((await receipts(buying)).length, 1);
    assert.deepEqual(await buying.balance(), { balance: coinsAtFirst + 250, held: 0 });
    const { calls } = await ground.control("calls?limit=20000");
    assert.ok(calls.some((call) => call.status === 429), "there were 429s");
});

test("Telegram 403: who blocks the bot keeps what was paid, finds it later, and may ask again", async () => {
    const { drawer, owner, viewer, buying, balances, begin } = await ordersOfEachKind();
    const all = [drawer, owner, viewer, buying];
    await ground.withoutWorkers(async () => {
        await begin();
        for (const person of all) await person.act("block");
    });
    const order = await drawer.orderOf("a picture that is told late");
    await drawer.ended(order, "completed");
    assert.deepEqual(await transfersOf(order.id), ["hold", "capture"]);
    await isDone(viewer, "gallery_file");
    await isDone(owner, "mydata_send");
    assert.deepEqual(await buying.balance(), { balance: coinsAtFirst + 250, held: 0 });
    for (const person of all) assert.ok((await ground.row("select unreachable_at is not null as is_away from users where id = :id", { id: person.rowId })).is_away);

    for (const person of all) await person.act("unblock");
    await showGallery(drawer);
    await viewer.tap("gallery:file");
    await isSentOnce(viewer, /in full quality/, balances.get(viewer));
    assert.equal(await buying.shownBalance(), coinsAtFirst + 250);
});

// ---------------------------------------------------------------- OpenAI

// Somebody with a transcript, which cost nothing, and the button of a summary below it.
async function listener() {
    const person = await meet();
    await send(person, encode(recording(4, { language: "en" }).wav, "ogg"), "voice", { duration: 4 });
    const { id } = await arrived(person, "completed");
    await person.see((message) => hasTap(message, `note:make:${id}`));
    return { person, id, balance: await person.balance() };
}

test("OpenAI down: a note of a transcript is waited for, and costs nothing", async () => {
    const { person, id, balance } = await listener();
    await ground.fault("openai.answer:chat", 503);
    await person.tap(`note:make:${id}:summary`);
    await isWaiting(person, "note_make");
    await ground.fault("openai.answer:chat", null);
    await hurry(person);
    await person.see((message) => hasTap(message, `note:file:${id}:summary`));
    assert.deepEqual(await person.balance(), balance);
});

test("OpenAI refusing: a note of a transcript is given up in words, and made when it is asked for again", async () => {
    const { person, id, balance } = await listener();
    await ground.fault("openai.quota", true);
    await person.tap(`note:make:${id}:todo`);
    await until(async () => {
        await hurry(person);
        return (await ground.row("select status from user_transcript_notes where transcript_id = :'id' and kind = 'todo'", { id }))?.status === "failed";
    }, "the end of trying");
    const message = await person.see(/did not work. Nothing was charged/);
    await ground.fault("openai.quota", null);
    await person.act("tap", { message_id: message.message_id, data: `note:make:${id}:todo` });
    await person.see((one) => hasTap(one, `note:file:${id}:todo`));
    assert.deepEqual(await person.balance(), balance);
});

test("OpenAI slow: a note of a transcript takes its time", async () => {
    const { person, id, balance } = await listener();
    await ground.fault("openai.seconds", 3);
    await person.tap(`note:make:${id}:protocol`);
    await person.see((message) => hasTap(message, `note:file:${id}:protocol`));
    assert.deepEqual(await person.balance(), balance);
});

test("in the end nothing is stuck, nothing is set aside, and no call was refused", async () => {
    await until(async () => (await ground.row("select count(*)::int as open from jobs where state in ('queued', 'running')")).open === 0, "no job left", 180);
    const dead = await ground.sql("select kind, last_error from jobs where state = 'dead'");
    assert.deepEqual(dead.filter((job) => !/^openai: .*insufficient_quota/.test(job.last_error)), [], "what an account that is empty leaves to an operator, and no other");
    assert.deepEqual(await ground.sql("select id, state from exports where state = 'packing'"), []);
    await checkLedger(ground);
    const { held } = await ground.row("select coalesce(sum(balance), 0)::int as held from ledger_accounts where kind = 'held'");
    assert.equal(held, 0);
    assert.deepEqual(await ground.callReport(), []);
});
