// speech_models_test.mjs - recordings with a model that gives no times and stops early: shorter pieces, a cue for
// each, and nobody pays for what may be a part.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { arrived, recording, send, shareHeard } from "./lib/speech.mjs";
import { encode } from "./lib/voice.mjs";

const model = "gpt-4o-mini-transcribe";
let ground;

before(async () => {
    ground = await OwnGround.start("speech_models", { settings: { WHISPER_MODEL: model, WELCOME_COINS: 100, SEND_CHAT_MESSAGES_PER_SECOND: 100 } });
});

beforeEach(() => ground.noFaults());

after(() => ground?.end());

const asked = async () => (await ground.control("openai?kind=transcriptions&limit=1000")).calls;

async function transcribe(person, seconds, language) {
    const { wav, words } = recording(seconds, { language });
    const before = (await asked()).length;
    await send(person, encode(wav, "ogg"), "audio", { file_name: "Talk.ogg", duration: seconds });
    await person.tap("speech:start");
    const row = await arrived(person, "completed");
    return { row, words, calls: (await asked()).slice(before) };
}

test("five minutes are cut into pieces of two at most, each of which is a cue", async () => {
    const person = await (await Person.meet(ground)).start();
    const { row, words, calls } = await transcribe(person, 300, "en");
    assert.ok(shareHeard(words, row.text) >= 0.95, row.text);
    assert.deepEqual([row.model, row.charged], [model, 50]);
    assert.equal(calls.length, row.pieces);
    for (const call of calls) {
        assert.ok(call.asked.file.length_ms <= 120000, `${call.asked.file.length_ms} ms`);
        assert.deepEqual([call.model, call.asked.response_format, call.asked["timestamp_granularities[]"]], [model, "json", undefined]);
    }
    assert.equal(row.cues.length, row.pieces);
    let at = 0;
    for (const cue of row.cues) {
        assert.equal(cue.s, at, "cues follow one another");
        at = cue.e;
    }
    assert.equal(at, row.duration_ms);
});

test("one that stops early is asked once more", async () => {
    const person = await (await Person.meet(ground)).start();
    await ground.fault("openai.stops_after", { value: 5, times: 1 });
    const { row, words, calls } = await transcribe(person, 200, "en");
    assert.ok(shareHeard(words, row.text) >= 0.95, row.text);
    assert.equal(calls.length, row.pieces + 1);
    assert.equal(row.charged, 40);
});

test("what may be a part then is kept, and costs nothing", async () => {
    const person = await (await Person.meet(ground)).start();
    const before = await person.balance();
    await ground.fault("openai.stops_after", { value: 5, times: 2 });
    const { row, words, calls } = await transcribe(person, 70, "ru");
    assert.equal(calls.length, 2);
    assert.ok(row.text.includes(words[0]) && !row.text.includes(words.at(-1)), row.text);
    assert.deepEqual([row.price, row.charged, row.recognised_ms], [20, 0, 0]);
    assert.deepEqual(await person.balance(), before);
    await person.see(/0 coins charged, 20 came back/);
    assert.match(ground.log("worker"), /event=speech\.cut_short/);
    await checkLedger(ground);
});
