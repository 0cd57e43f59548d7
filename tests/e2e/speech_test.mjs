// speech_test.mjs - from a recording to its words: through nginx, the bot, the workers, aisha-sound and the
// sandbox, whose OpenAI hears the words that are planted in the bytes it is sent.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { openBrowser } from "./lib/browser.mjs";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { arrived, heard, newest, recording, send, shareHeard, silentHours, talkWav } from "./lib/speech.mjs";
import { encode, speak } from "./lib/voice.mjs";
import { Walk } from "./lib/walk.mjs";

let ground;

const ffmpeg = (words, input) => execFileSync("ffmpeg", ["-nostdin", "-v", "error", ...words], { input, maxBuffer: 1 << 28 });

// Something red that moves, for what a recording is heard through.
const film = (wav, more = []) => ffmpeg(["-f", "lavfi", "-i", "color=c=red:s=64x64:r=5", "-f", "wav", "-i", "pipe:0", "-shortest", "-c:v", "libx264", "-pix_fmt", "yuv420p",
    "-c:a", "aac", "-b:a", "64k", "-movflags", "frag_keyframe+empty_moov", ...more, "-f", "mp4", "pipe:1"], wav);

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
    // An app that is slow shows the button for a while.
    await Promise.all([1, 2, 3].map(() => person.act("tap", { message_id: quote.message_id, data, forged: true })));
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

// What a recording of so long costs, and in how many pieces it is recognised at most.
const recordings = [
    { language: "ru", seconds: 10, format: "ogg", kind: "voice", price: 0, pieces: 1 },
    { language: "en", seconds: 10, format: "mp3", kind: "audio", price: 0, pieces: 1 },
    { language: "ru", seconds: 59, format: "wav", kind: "document", price: 0, pieces: 1 },
    { language: "en", seconds: 59, format: "mp4", kind: "video", price: 0, pieces: 1 },
    { language: "ru", seconds: 61, format: "m4a", kind: "audio", price: 20, pieces: 1 },
    { language: "en", seconds: 61, format: "mp4", kind: "video_note", price: 20, pieces: 1 },
    { language: "ru", seconds: 1500, format: "ogg", kind: "document", price: 250, pieces: 7 },
    { language: "en", seconds: 1500, format: "mp3", kind: "audio", price: 250, pieces: 7 },
];

for (const { language, seconds, format, kind, price, pieces } of recordings)
    test(`${seconds} s of ${language} from espeak-ng as ${format}, a ${kind}: length, price, pieces, words in their order`, async () => {
        const person = await meet(1000);
        await ground.sql("update user_settings set speech_language = :'language' where user_id = :id", { language, id: person.rowId });
        const before = await person.balance(), seq = (await heard(ground)).seq;
        const { wav, words } = talkWav(seconds, language);
        const bytes = format === "mp4" ? film(wav) : encode(wav, format);
        const began = Date.now();
        await send(person, bytes, kind, { file_name: `talk.${format}`, duration: seconds });
        if (price) await person.tap("speech:start", 300);
        const row = await arrived(person, "completed", 300), took = (Date.now() - began) / 1000, share = shareHeard(words, row.text);
        console.log(`# ${(bytes.length / 1024).toFixed(0)} KiB, ${words.length} words, ${(share * 100).toFixed(1)} % heard, ${took.toFixed(1)} s`);
        assert.ok(share >= 0.95, row.text);
        assert.ok(Math.abs(row.duration_ms - seconds * 1000) < 300, `${row.duration_ms} ms`);
        assert.deepEqual([row.price, row.charged, row.is_free], [price, price, price === 0]);
        assert.ok(row.pieces >= seconds / 300 && row.pieces <= pieces, `${row.pieces} pieces`);
        assert.equal((await person.balance()).balance, before.balance - price);
        assert.ok(Math.abs((await heard(ground, seq)).heard_ms - row.duration_ms) < 300, "each second is heard once");
        assert.ok(took < 60 + seconds / 5, `${took} s`);
    });

test("a piece that the recogniser refuses is not paid for", async () => {
    const person = await meet(1000);
    const before = await person.balance();
    await ground.fault("openai.answer:transcriptions", { value: 400, times: 1 });
    await send(person, encode(recording(900).wav, "ogg"), "audio", { file_name: "Lecture.ogg", duration: 900 });
    await person.tap("speech:start", 300);
    const row = await arrived(person, "completed", 120);
    assert.equal(row.price, 150);
    assert.equal(row.charged, Math.ceil(Math.floor(row.recognised_ms / 1000) / 60) * 10);
    assert.ok(row.recognised_ms > 500_000 && row.recognised_ms < 700_000, `${row.recognised_ms} ms`);
    assert.deepEqual(await person.balance(), { balance: before.balance - row.charged, held: 0 });
    await person.see(new RegExp(`${row.charged} coins charged, ${150 - row.charged} came back`));
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

test("a film and a video note are heard, an English one by the language that its user has set", async () => {
    const { wav, words } = recording(12, { language: "en" });
    for (const kind of ["video", "video_note"]) {
        const person = await meet(100);
        await person.say("/transcribe");
        await person.tap("speech:language:en");
        await send(person, film(wav), kind, { mime_type: "video/mp4", duration: 12 });
        const row = await arrived(person, "completed");
        assert.equal(row.source, kind);
        assert.ok(shareHeard(words, row.text) >= 0.95, row.text);
        assert.equal(row.spoken_language, "english");
    }
});

test("files that mean harm are refused in words, cost nothing and open nothing", async () => {
    const person = await meet(100);
    const before = await person.balance();
    let visits = 0;
    const trap = createServer((request, response) => { visits++; response.end("#EXTM3U"); }).listen(0, "127.0.0.1");
    await new Promise((done) => trap.once("listening", done));
    const address = `http://127.0.0.1:${trap.address().port}/a.ts`;
    const speech = recording(10).wav;
    const files = [
        ["list.ogg", Buffer.from(`#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${address}\n#EXT-X-ENDLIST\n`), /does not look like a recording/],
        ["other.mp3", Buffer.from(`ffconcat version 1.0\nfile ${address}\n`), /does not look like a recording/],
        ["zip.ogg", Buffer.concat([Buffer.from("PK\x03\x04"), randomBytes(200000)]), /does not look like a recording/],
        ["cut.wav", speech.subarray(0, 120000), /breaks off/],
        ["crumb.m4a", ffmpeg(["-f", "wav", "-i", "pipe:0", "-c:a", "aac", "-f", "adts", "pipe:1"], speech).subarray(0, 40), /does not look like|damaged|silent/],
        ["silence.ogg", ffmpeg(["-f", "lavfi", "-i", "anullsrc=r=16000:d=20", "-c:a", "libopus", "-f", "ogg", "pipe:1"]), /silent/],
        ["mute.mp4", ffmpeg(["-f", "lavfi", "-i", "color=c=red:s=64x64:r=5:d=3", "-c:v", "libx264", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "pipe:1"]), /no sound/],
        ["hours.flac", silentHours(100), /too long/],
        ["lies.wav", Buffer.concat([speech.subarray(0, 4), Buffer.from([0, 0, 0, 0xee]), speech.subarray(8, 40), Buffer.from([0, 0, 0, 0xee]), speech.subarray(44)]), /too long|breaks off/],
    ];
    for (const [name, bytes, words] of files) {
        const began = Date.now();
        await send(person, bytes, "document", { file_name: name, mime_type: "audio/ogg" });
        const said = await person.see((message) => message.text.includes(`${name.split(".")[0]}\n`) && words.test(message.text)).catch(async (error) => {
            throw new Error(`${name}: ${error.message}; ${JSON.stringify(await newest(person))}`);
        });
        assert.match(said.text, /Nothing was charged/, name);
        assert.ok(Date.now() - began < 60000, `${name}: ${Date.now() - began} ms`);
    }
    trap.close();
    assert.equal(visits, 0, "nobody was called");
    assert.deepEqual(await person.balance(), before);
    // Zero bytes never reach us: Telegram takes none. The next good one goes through.
    await send(person, encode(recording(5).wav, "ogg"), "voice");
    await arrived(person, "completed");
});

test("a voice message spoken into the page, and a file laid on it, come back as words", async () => {
    const desk = mkdtempSync(join(tmpdir(), "aisha-voice-"));
    const sound = join(desk, "spoken.wav");
    const spoken = ["маяк", "корабль", "море", "берег"];
    writeFileSync(sound, speak([{ words: spoken.join(" ") }, { pause: 1 }], { language: "ru" }));
    const browser = await openBrowser(["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${sound}`]);
    try {
        const walk = await Walk.begin(browser, ground, "ru");
        await walk.say("/start");
        const person = new Person(ground, walk.user);
        person.rowId = (await ground.row("select id from users where telegram_id = :'id'", { id: walk.user })).id;
        await walk.column.getByRole("button", { name: "Записать голосовое" }).click();
        await walk.column.getByRole("timer").filter({ hasText: "0:12" }).waitFor();
        await walk.column.getByRole("button", { name: "Остановить и отправить" }).click();
        const row = await arrived(person, "completed");
        assert.equal(row.source, "voice");
        assert.ok(spoken.filter((one) => row.text.includes(one)).length >= 3, row.text);
        await walk.column.getByText("Бесплатно.").waitFor();

        const file = join(desk, "Лекция.mp3");
        const { wav, words } = recording(15);
        writeFileSync(file, encode(wav, "mp3"));
        await walk.choose([file], "document");
        await walk.column.getByRole("button", { name: "Отправить" }).click();
        await walk.column.getByText("📄 Лекция").waitFor();
        assert.ok(shareHeard(words, (await arrived(person, "completed")).text) >= 0.95);
    } finally {
        await browser.close();
        rmSync(desk, { recursive: true, force: true });
    }
});
