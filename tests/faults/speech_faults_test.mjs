// speech_faults_test.mjs - recordings while OpenAI, the object store or Telegram misbehaves. Each ends as it would
// have, once and paid once, or in words and with all coins back. docs/faults.md has the table.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { OwnGround } from "../e2e/lib/ground.mjs";
import { Person, checkLedger } from "../e2e/lib/person.mjs";
import { arrived, heard, newest, recording, send, shareHeard } from "../e2e/lib/speech.mjs";
import { until } from "../e2e/lib/until.mjs";
import { encode } from "../e2e/lib/voice.mjs";

const seconds = 65, price = 20;
const { wav, words } = recording(seconds, { language: "en" });
const bytes = encode(wav, "ogg");
let ground;

before(async () => {
    ground = await OwnGround.start("speech_faults", { settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100, WELCOME_COINS: 1000 } });
});

async function reset() {
    await ground.noFaults();
    await ground.fault("telegram.retry_scale", 0.02);
}

beforeEach(reset);

after(() => ground?.end());

const meet = async () => (await Person.meet(ground)).start();

// Somebody with a price before them.
async function quoted() {
    const person = await meet();
    await send(person, bytes, "audio", { file_name: "Talk.ogg", duration: seconds });
    await person.see(/Length: 1:05/);
    return person;
}

const transfersOf = async (id) => (await ground.sql("select kind from ledger_transfers where subject = :'id' order by id", { id })).map((row) => row.kind);
const cardsOf = async (person) => (await person.messages()).filter((message) => message.text.startsWith("📄 Talk"));
const askedSince = async (seq) => (await ground.control(`openai?kind=transcriptions&after=${seq}&limit=1000`)).calls;
const lastAsked = async () => (await heard(ground)).seq;

// What waits to be tried again is tried now: how long it would have waited proves nothing here.
const hurry = (id) => ground.sql(`update jobs set run_at = now() where subject = '${id}' and kind = 'speech_piece' and state = 'queued'`);

// A step of it was tried in vain and waits.
const isWaiting = (subject) => until(() => ground.row(
    "select id, last_error from jobs where subject = :'subject' and state in ('queued', 'running') and last_error is not null", { subject }), "a step that was tried in vain");

async function isWritten(person, most = 240) {
    const row = await arrived(person, "completed", most);
    assert.ok(shareHeard(words, row.text) >= 0.95, row.text);
    assert.equal(row.charged, price);
    assert.deepEqual(await transfersOf(row.id), ["hold", "capture"]);
    return row;
}

async function isTold(person) {
    await person.see((message) => message.text.startsWith("📄 Talk") && /20 coins charged/.test(message.text));
    assert.equal((await cardsOf(person)).length, 1, "one card");
}

async function isGivenBack(person, failure, reason) {
    const row = await arrived(person, "failed", 180);
    assert.equal(row.failure, failure);
    assert.deepEqual(await transfersOf(row.id), ["hold", "release"]);
    const said = await person.see(/20 coins are back/);
    assert.match(said.text, reason);
    assert.deepEqual(await person.balance(), { balance: 1000, held: 0 });
    assert.equal((await cardsOf(person)).length, 0);
    return row;
}

test("OpenAI 429 with Retry-After: asked again when the time is over", async () => {
    const person = await quoted(), seq = await lastAsked();
    await ground.fault("openai.429", { retry_after: 3, times: 2 });
    await person.tap("speech:start");
    await isWritten(person);
    await isTold(person);
    const calls = await askedSince(seq);
    assert.deepEqual(calls.map((call) => call.status), [429, 429, 200]);
    for (const i of [1, 2]) assert.ok(calls[i].at_ms - calls[i - 1].at_ms >= 3000, `${calls[i].at_ms - calls[i - 1].at_ms} ms later`);
});

for (const status of [500, 503])
    test(`OpenAI ${status} for a while: asked again`, async () => {
        const person = await quoted(), seq = await lastAsked();
        await ground.fault("openai.answer:transcriptions", { value: status, times: 2 });
        await person.tap("speech:start");
        await isWritten(person);
        await isTold(person);
        assert.deepEqual((await askedSince(seq)).map((call) => call.status), [status, status, 200]);
    });

test("OpenAI slow: the work waits for the answer, and is paid once", async () => {
    const person = await quoted(), seq = await lastAsked();
    await ground.fault("openai.seconds", 8);
    await person.tap("speech:start");
    await isWritten(person);
    await isTold(person);
    assert.equal((await askedSince(seq)).length, 1);
});

test("OpenAI silent, and an answer that is lost: asked again, and the user pays once", async () => {
    const silent = await quoted(), lost = await quoted(), seq = await lastAsked();
    await ground.fault("openai.answer:transcriptions", { value: "blackhole", times: 1 });
    await silent.tap("speech:start");
    await until(async () => !(await ground.control("faults")).faults.some((fault) => fault.name === "openai.answer:transcriptions"), "a call that hears nothing");
    await ground.fault("openai.lost", { value: true, times: 1 });
    await lost.tap("speech:start");
    await isWritten(lost);
    await isTold(lost);
    await ground.fault("openai.answer:transcriptions", "blackhole"); // a silence ends when its fault changes
    await until(async () => (await askedSince(seq)).some((call) => call.status === 504), "the end of the silence");
    await ground.fault("openai.answer:transcriptions", null);
    await isWritten(silent, 180);
    await isTold(silent);
    const { heard_ms: ms } = await heard(ground, seq);
    assert.ok(Math.abs(ms - 3 * seconds * 1000) < 500, `${ms} ms were heard: the lost answer was for nothing`);
});

// What waiting does not mend is tried a few times, for an operator may be quick.
for (const [name, fault, value] of [["401", "openai.answer:transcriptions", 401], ["insufficient_quota", "openai.quota", true]])
    test(`OpenAI ${name}: told in words, and all coins are back`, async () => {
        const person = await quoted(), seq = await lastAsked();
        await ground.fault(fault, value);
        await person.tap("speech:start");
        const { id } = await newest(person);
        await until(async () => {
            await hurry(id);
            return (await newest(person)).status === "failed";
        }, "the end of trying");
        await isGivenBack(person, "upstream", /recogniser does not answer/);
        const calls = await askedSince(seq);
        assert.ok(calls.length <= 5 && calls.every((call) => call.status !== 200), `${calls.length} calls`);
        assert.equal((await heard(ground, seq)).heard_ms, 0);
    });

test("OpenAI that refuses the recording: told in words, and all coins are back", async () => {
    const person = await quoted(), seq = await lastAsked();
    await ground.fault("openai.answer:transcriptions", 400);
    await person.tap("speech:start");
    await isGivenBack(person, "upstream", /recogniser does not answer/);
    assert.equal((await askedSince(seq)).length, 1, "asked once: the same again ends the same");
});

test("S3 down before the pieces are there, and before they are read: waited for", async () => {
    const person = await quoted(), id = (await newest(person)).id;
    await ground.fault("store.answer", 503);
    await person.tap("speech:start");
    await isWaiting(id);
    assert.equal((await newest(person)).pieces, 0);
    await ground.fault("openai.answer:transcriptions", 503);
    await ground.fault("store.answer", null);
    await until(async () => /^openai/.test((await isWaiting(id)).last_error), "a piece that nobody recognises");
    await ground.fault("store.answer", 503);
    await ground.fault("openai.answer:transcriptions", null);
    await until(async () => /^s3/.test((await isWaiting(id)).last_error), "a piece that cannot be read");
    assert.deepEqual(await transfersOf(id), ["hold"], "not paid before it is recognised");
    await ground.fault("store.answer", null);
    await isWritten(person);
    await isTold(person);
});

test("S3 that takes a piece and does not say so, and a user who stops then: nothing of the recording stays there", async () => {
    const person = await quoted(), { id } = await newest(person);
    const stored = async () => (await ground.control("objects")).objects.filter(({ key }) => key.includes(id));
    await ground.fault("store.answer", "lost");
    await person.tap("speech:start");
    await isWaiting(id);
    assert.equal((await stored()).length, 1, "a piece that no row tells of");
    await person.tap("speech:cancel");
    await until(async () => (await newest(person)).status === "cancelled", "a recording that is called off");
    assert.deepEqual(await transfersOf(id), ["hold", "release"]);
    await ground.fault("store.answer", null);
    await until(async () => (await stored()).length === 0, "an empty place in the store");
});

test("Telegram 429 and 5xx: recordings are fetched and results told, later and once", async () => {
    const waiting = await quoted(), sender = await meet();
    await ground.withoutWorkers(async () => {
        await waiting.tap("speech:start");
        await send(sender, bytes, "audio", { file_name: "Talk.ogg", duration: seconds });
        await ground.settled();
        await ground.fault("telegram.429", { retry_after: 1, times: 8 });
    });
    await sender.see(/Length: 1:05/, 120);
    await isWritten(waiting);
    await isTold(waiting);
    const { calls } = await ground.control("calls?limit=20000");
    assert.ok(calls.some((call) => call.status === 429), "there were 429s");

    await ground.fault("telegram.down", true);
    await sender.tap("speech:start");
    await isWaiting((await newest(sender)).id);
    await ground.fault("telegram.down", null);
    await isWritten(sender);
    await isTold(sender);
});

test("Telegram 403: who blocks the bot finds what was paid in the history", async () => {
    const person = await quoted();
    await ground.withoutWorkers(async () => {
        await person.tap("speech:start");
        await ground.settled();
        await person.act("block");
    });
    await isWritten(person);
    assert.equal((await cardsOf(person)).length, 0);
    await person.act("unblock");
    await person.say("/history");
    await person.see(/1 in all/);
    await person.tap("transcript:show");
    await person.see(/20 coins charged/);
});

test("in the end nothing is stuck, nothing is set aside, and no call was refused", async () => {
    await until(async () => (await ground.row("select count(*)::int as open from jobs where state in ('queued', 'running')")).open === 0, "no job left", 180);
    // What was given up is for an operator to see: the two that no waiting mends.
    const dead = await ground.sql("select kind, count(*)::int as count from jobs where state = 'dead' group by kind");
    assert.deepEqual(dead, [{ kind: "speech_piece", count: 2 }]);
    assert.deepEqual(await ground.sql("select transcript_id from user_transcript_pieces"), []);
    const { objects } = await ground.row("select count(*)::int as objects from jobs where kind = 'object_delete' and state <> 'done'");
    assert.equal(objects, 0);
    await checkLedger(ground);
    assert.deepEqual(await ground.sql("select * from ledger_check()"), []);
    assert.deepEqual(await ground.callReport(), []);
});
