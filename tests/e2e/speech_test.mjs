// speech_test.mjs - from a recording to its words: through nginx, the bot, the workers, aisha-media and the
// sandbox, whose OpenAI hears the words that are planted in the bytes it is sent.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { arrived, heard, newest, recording, send, shareHeard } from "./lib/speech.mjs";
import { until } from "./lib/until.mjs";
import { encode, speak } from "./lib/voice.mjs";

let ground;

before(async () => {
    ground = await OwnGround.start("speech", { settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100, FLOOD_LIMIT_PER_MINUTE: 1000 } });
});

beforeEach(() => ground.noFaults());

after(() => ground?.end());

const meet = async (coins = 0, language = "en") => {
    const person = await (await Person.meet(ground, { language })).start();
    await ground.sql("select ledger_credit(:id, :'key', :coins, 'adjustment', 'test')", { id: person.rowId, key: `speech:${person.id}`, coins: coins || 1 });
    return person;
};

test("a voice note of ten seconds is free and comes back as words", async () => {
    const person = await meet();
    const atFirst = await person.balance();
    const wav = speak([{ words: "маяк стоит у моря" }, { pause: 0.8 }, { words: "корабль идет домой" }], { language: "ru" });
    await send(person, encode(wav, "ogg"), "voice", { duration: 10 });
    const row = await arrived(person, "completed");
    assert.equal(shareHeard("маяк стоит у моря корабль идет домой".split(" "), row.text), 1, row.text);
    assert.deepEqual([row.price, row.charged, row.is_free], [0, 0, true]);
    assert.deepEqual(await person.balance(), atFirst);
    const card = await person.see(/корабль/);
    assert.match(card.text, /Free of charge/);
});

test("what is a minute long and more has a price, which is paid once however often the button is tapped", async () => {
    const person = await meet(100);
    const before = await person.balance();
    const { wav, words } = recording(61);
    await send(person, encode(wav, "mp3"), "audio", { file_name: "Talk <1>.mp3", duration: 61 });
    const quote = await person.see(/Length: 1:01/);
    assert.match(quote.text, /costs 20 coins/);
    assert.match(quote.text, /Talk <1>/);
    const { data } = await person.tap("speech:start");
    await Promise.all([1, 2, 3].map(() => person.act("tap", { message_id: quote.message_id, data })));
    const row = await arrived(person, "completed");
    assert.ok(shareHeard(words, row.text) >= 0.95, row.text);
    assert.deepEqual([row.price, row.charged, row.pieces], [20, 20, 0 + row.pieces]);
    assert.equal(row.spoken_language, "russian");
    const now = await person.balance();
    assert.deepEqual([now.balance, now.held], [before.balance - 20, 0]);
    await person.see(/20 coins charged/);
    await person.checkTaps();
    await checkLedger(ground);
});

test("fifty-nine seconds are free, and with ten a day used up they have a price", async () => {
    const person = await meet(50);
    await ground.sql("insert into free_uses (user_id, thing, day, uses) values (:id, 'speech', (now() at time zone 'UTC')::date, 9)", { id: person.rowId });
    const { wav, words } = recording(59, { language: "en" });
    await send(person, encode(wav, "m4a"), "document", { file_name: "note.m4a", mime_type: "audio/mp4" });
    const row = await arrived(person, "completed");
    assert.ok(shareHeard(words, row.text) >= 0.95, row.text);
    assert.equal(row.charged, 0);
    await send(person, encode(wav, "wav"), "document", { file_name: "note.wav", mime_type: "audio/x-wav" });
    const quote = await person.see(/used up today's free/);
    assert.match(quote.text, /costs 10 coins/);
    await person.tap("speech:drop");
    await person.see(/Nothing was charged/);
    assert.equal((await newest(person)).status, "cancelled");
});

test("files, notes, history, search, a new name, and an end", async () => {
    const person = await meet(100);
    const { wav, words } = recording(40, { language: "en" });
    await send(person, encode(wav, "webm"), "video", { file_name: "Meeting.webm", mime_type: "video/webm" });
    const row = await arrived(person, "completed");
    for (const format of ["txt", "srt", "docx", "md"]) {
        await person.tap(`transcript:file:${row.id}:${format}`);
        const file = await person.see((message) => message.kind === "document" && JSON.stringify(message.media).includes(`Meeting.${format}`));
        assert.match(file.text, /Meeting/);
    }
    for (const kind of ["summary", "todo", "protocol"]) {
        await person.tap(`note:make:${row.id}:${kind}`);
        await person.see((message) => message.markup?.inline_keyboard.flat().some((button) => button.callback_data === `note:file:${row.id}:${kind}:docx`));
    }
    const chats = (await heard(ground)).chats;
    await person.tap(`note:make:${row.id}:summary`);
    await person.checkTaps();
    assert.equal((await heard(ground)).chats, chats, "shown again for nothing");
    await person.tap(`note:file:${row.id}:todo:docx`);
    await person.see((message) => message.kind === "document" && JSON.stringify(message.media).includes("To-do list"));

    await person.tap(`transcript:rename:${row.id}`);
    await person.see(/Send a new name/);
    await person.say("Board & <budget>");
    await person.see((message) => message.text.startsWith("📄 Board & <budget>"));
    await person.say("/history");
    await person.see(/1 in all/);
    await person.tap("speech:search");
    await person.see(/Write words/);
    await person.say(words[3]);
    await person.see(/1 found/);
    await person.tap("speech:search");
    await person.say("zebra");
    await person.see(/Nothing found/);
    await person.tap("speech:history");
    await person.tap(`transcript:show:${row.id}`);
    await person.tap(`transcript:delete:${row.id}`);
    await person.see(/Delete “Board/);
    await person.tap(`transcript:remove:${row.id}`);
    await person.see(/Nothing here yet/);
    assert.equal(await newest(person), undefined);
    await person.checkTaps();
});
