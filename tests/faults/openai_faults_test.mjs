// openai_faults_test.mjs - orders whose words are put into English, and photos that are put into words,
// while OpenAI is slow, refuses, is empty or is gone. An order goes with its words as they are, and says
// so; a photo that nobody describes costs nothing. And where no photo is: anywhere.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, beforeEach, test } from "node:test";
import { OwnGround, run } from "../e2e/lib/ground.mjs";
import { Person, checkLedger } from "../e2e/lib/person.mjs";
import { picture } from "../e2e/lib/picture.mjs";
import { until } from "../e2e/lib/until.mjs";

const price = 5, coins = 1000, visionCost = 10000; // microdollars
const red = [220, 20, 20], blue = [20, 20, 220];
let ground;

async function reset() {
    await ground.noFaults();
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
}

before(async () => {
    ground = await OwnGround.start("openai_faults", { settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100, WELCOME_COINS: coins } });
    await reset();
});

beforeEach(reset);

after(() => ground?.end());

const meet = async (options) => {
    const person = await Person.meet(ground, options);
    await person.start();
    return person;
};

const photo = (colour, [width, height] = [900, 1200]) => ({ name: "a.png", type: "image/png", bytes: picture(width, height, colour) });

const sampleOf = (person) => ground.row("select * from image_samples where user_id = :id order by created_at desc limit 1", { id: person.rowId });

const isAt = (person, state) => until(async () =>
    (await ground.redis("hget", `session:{b${String(person.id % 64).padStart(2, "0")}}:${person.id}`, "s")).trim() === state, `the dialog at ${state}`);

// The photo is on its way to be looked at: the row.
async function shows(person, file, options) {
    const before = (await sampleOf(person))?.id;
    await person.say("/create");
    await isAt(person, "create");
    await person.sendPhotos([file], options);
    return until(async () => {
        const sample = await sampleOf(person);
        return sample && sample.id !== before && sample;
    }, "a photo that was taken");
}

const ended = (sample, status, seconds) => until(async () => {
    const now = await ground.row("select * from image_samples where id = :'id'", { id: sample.id });
    return now.status === status && now;
}, `the sample being ${status}`, seconds);

// What waits to be tried again is tried now: how long it would have waited proves nothing here.
const hurry = (id) => ground.sql(`update jobs set run_at = now() where subject = '${id}' and state = 'queued'`);

const chats = async () => (await ground.control("openai?kind=chat&limit=1000")).calls;
const spent = async (model = "gpt-4o") => Number((await ground.row("select coalesce(sum(microdollars), 0)::int as sum from spend_days where kind = :'model'", { model })).sum);
const transfersOf = async (id) => (await ground.sql("select kind from ledger_transfers where subject = :'id' order by id", { id })).map((row) => row.kind);

let told = 0;
const newWords = () => `старый маяк у моря номер ${++told}`;

// Drawn, paid, and with the user's words as they were.
async function wentAsTyped(person, order, words) {
    const now = await person.ended(order, "completed", 120);
    assert.equal(now.final_prompt, words);
    assert.deepEqual(await transfersOf(order.id), ["hold", "capture"]);
    await person.see((message) => message.kind === "photo" && message.text.includes(words) && /Your words went as they are/.test(message.text));
}

async function isNotDescribed(person, sample, failure, words) {
    const balance = await person.balance();
    assert.equal((await ended(sample, "failed")).failure, failure);
    await person.see((message) => words.test(message.text) && /Nothing was charged/.test(message.text));
    assert.deepEqual(await person.balance(), balance);
}

test("a photo is put into words, the words are drawn, and it is kept nowhere", async () => {
    const person = await meet();
    const objects = () => execFileSync("find", [ground.folder, "-path", "*objects*", "-type", "f"]).toString().split("\n").length;
    const [asked, stored] = [(await chats()).length, objects()];
    const pending = await ground.withoutWorkers(() => shows(person, photo(red), { caption: "в красном пальто" }));
    assert.ok(pending.file_id.length > 10);
    const sample = await ended(pending, "described");
    assert.match(sample.prompt, /900x1200, red and red above, red and red below, in \w+ coat/);
    assert.equal(sample.words, sample.prompt, "English for who reads English");
    assert.equal(sample.aspect_ratio, "3:4");
    await person.see((message) => message.text.includes(sample.words) && /This is what the photo shows/.test(message.text));
    const [call] = (await chats()).slice(asked);
    assert.match(call.asked.messages[1].content[1].image_url.url, /^data:image\/jpeg;base64, \d+ bytes, sha256/);

    const { data } = await person.tap("sample:imagen");
    assert.ok(data.endsWith(sample.id));
    await person.see(/Choose the shape/);
    await person.tap("imagen:make");
    const order = await until(() => person.orderOf(sample.words), "the order");
    assert.deepEqual([order.aspect_ratio, order.final_prompt], ["3:4", sample.prompt]);
    await person.ended(order, "completed");
    assert.equal((await chats()).length, asked + 1, "nobody was asked twice");
    assert.deepEqual(await person.balance(), { balance: coins - price, held: 0 });
    await person.picture(sample.words);

    const kept = await run("pg_dump", ["-h", ground.settings.PGHOST, "-U", "postgres", "--data-only", "aisha"]);
    assert.ok(kept.includes(sample.id) && !kept.includes(pending.file_id), "no row has the photo");
    assert.ok(objects() <= stored + 1, "the picture drawn is the only new object");
});

test("a file in Russian hands: words in his language, the prompt in English", async () => {
    const person = await meet({ language: "ru" });
    const before = (await sampleOf(person))?.id;
    assert.equal(before, undefined);
    await person.say("/create");
    await isAt(person, "create");
    await person.sendPhotos([photo(blue, [1600, 900])], { asFiles: true });
    const sample = await ended(await until(() => sampleOf(person), "the sample"), "described");
    assert.match(sample.words, /картинка 1600x900, вверху синее и синее/);
    assert.match(sample.prompt, /picture of 1600x900, blue and blue above/);
    assert.equal(sample.aspect_ratio, "16:9");
});

test("busy or broken for a moment: both are tried again and done", async () => {
    for (const [name, value] of [["openai.429:chat", { retry_after: 1, times: 2 }], ["openai.answer:chat", { value: 500, times: 2 }], ["openai.lost:chat", { value: true, times: 1 }]]) {
        const person = await meet(), words = newWords();
        await ground.noFaults();
        await ground.fault("fal.seconds", 0);
        await ground.fault(name, value);
        const order = await person.order(words);
        const now = await person.ended(order, "completed");
        assert.match(now.final_prompt, /^old lighthouse by sea/);
        await ground.fault(name, value);
        const sample = await shows(person, photo(red));
        await until(async () => {
            await hurry(sample.id);
            return (await sampleOf(person)).status === "described";
        }, "a photo that was looked at again");
        assert.deepEqual(await person.balance(), { balance: coins - price, held: 0 });
    }
});

// Waited for by nobody: a wrong key, an empty account, a limit that lasts longer than patience, a refusal,
// half an answer.
for (const [what, name, value, failure, says, isPaid] of [
    ["401", "openai.answer:chat", 401, "away", /could not be described now/, false],
    ["insufficient_quota", "openai.quota:chat", true, "away", /could not be described now/, false],
    ["429 for five minutes", "openai.429:chat", { retry_after: 300 }, "away", /could not be described now/, false],
    ["a refusal", "openai.refusal:chat", true, "refused", /safety filter does not allow/, true],
    ["half an answer", "openai.cut:chat", true, "away", /could not be described now/, true],
])
    test(`OpenAI answers with ${what}: the words go as they are, the photo costs nothing`, async () => {
        const person = await meet(), words = newWords();
        await ground.fault(name, value);
        const before = await spent();
        await wentAsTyped(person, await person.order(words), words);
        assert.deepEqual(await person.balance(), { balance: coins - price, held: 0 });
        await isNotDescribed(person, await shows(person, photo(red)), failure, says);
        assert.equal(await spent() - before, isPaid ? visionCost : 0, "who answers is paid");
        await person.say("a red boat instead");
        await person.see(/a red boat instead[^]*Choose the shape/);
        await person.checkTaps();
    });

test("500 for as long as somebody waits: the words go as they are, the photo costs nothing", async () => {
    const person = await meet(), words = newWords();
    await ground.fault("openai.answer:chat", 500);
    const sample = await shows(person, photo(red));
    await person.see(/I'm trying again/);
    const order = await person.order(words);
    await ground.sql(`update image_generations set created_at = created_at - interval '31 s' where id = '${order.id}';
        update image_samples set created_at = created_at - interval '90 s' where id = '${sample.id}';`);
    await wentAsTyped(person, order, words);
    await isNotDescribed(person, sample, "away", /could not be described now/);
});

test("OpenAI silent: a call is given up after its time, the rest as above", async () => {
    const person = await meet(), words = newWords();
    await ground.fault("openai.answer:chat", "blackhole");
    const make = await person.chooses(words);
    const [sample, order] = await ground.withoutWorkers(async () => {
        await person.act("tap", make);
        const ordered = await until(() => person.orderOf(words), "the order");
        const shown = await shows(person, photo(red));
        await ground.sql(`update image_generations set created_at = created_at - interval '31 s' where id = '${ordered.id}';
            update image_samples set created_at = created_at - interval '90 s' where id = '${shown.id}';`);
        return [shown, ordered];
    });
    await wentAsTyped(person, order, words);
    const balance = await person.balance();
    assert.equal((await ended(sample, "failed", 90)).failure, "away");
    assert.deepEqual(await person.balance(), balance);
});

test("slow, and stopped by the user; or words in its place", async () => {
    const person = await meet();
    await ground.fault("openai.seconds", 20);
    const sample = await shows(person, photo(red));
    await person.tap("sample:cancel");
    await ended(sample, "cancelled");
    await person.see(/not looking at this photo any more. Nothing was charged/);
    const other = await shows(person, photo(blue));
    await person.say("a boat in place of it");
    await ended(other, "cancelled");
    await person.see(/a boat in place of it[^]*Choose the shape/);
    assert.deepEqual(await person.balance(), { balance: coins, held: 0 });
    await ground.fault("openai.seconds", null);
    await person.checkTaps();
});

test("the workers die while a photo is looked at: it is described once, and told once", async () => {
    const person = await meet();
    await ground.fault("openai.seconds", 2);
    const before = await spent(), sample = await shows(person, photo(red));
    await until(() => ground.row("select 1 as runs from jobs where subject = :'id' and state = 'running'", { id: sample.id }), "a step that runs");
    for (const name of ["worker-1", "worker-2"]) ground.kill(name);
    await until(async () => {
        await ground.requeue();
        return (await sampleOf(person)).status === "described";
    }, "a photo that is described after all");
    await person.see(/This is what the photo shows/, 60);
    assert.equal((await person.messages()).filter((message) => /This is what the photo shows/.test(message.text)).length, 1);
    assert.equal(await spent() - before, visionCost);
});

test("quick mode: a photo is an order at once; without a description the coins return", async () => {
    const person = await meet();
    await ground.sql(`insert into user_settings (user_id, quick_generation_mode) values (${person.rowId}, true)
        on conflict (user_id) do update set quick_generation_mode = true;`);
    await ground.redis("del", `session:{b${String(person.id % 64).padStart(2, "0")}}:${person.id}`);
    const sample = await shows(person, photo(red));
    assert.ok(sample.is_order);
    await person.ended(sample, "completed");
    await person.picture("900x1200, red and red above");
    assert.deepEqual(await transfersOf(sample.id), ["hold", "capture"]);

    await ground.fault("openai.quota:chat", true);
    const other = await shows(person, photo(blue));
    await person.ended(other, "failed");
    assert.deepEqual(await transfersOf(other.id), ["hold", "release"]);
    await person.see(/could not be described now[^]*Your coins are back/);
    assert.deepEqual(await person.balance(), { balance: coins - price, held: 0 });
});

test("in the end nothing is stuck, and no call was refused", async () => {
    await ground.sql("update jobs set run_at = now() where kind = 'generation_check' and state = 'queued'");
    await until(async () => (await ground.row("select count(*)::int as open from jobs where state in ('queued', 'running')")).open === 0, "no job left", 120);
    assert.deepEqual(await ground.sql("select id, kind, last_error from jobs where state = 'dead'"), []);
    assert.deepEqual(await ground.sql("select id from image_samples where status = 'pending' or file_id is not null"), []);
    await checkLedger(ground);
    assert.deepEqual(await ground.callReport(), []);
});
