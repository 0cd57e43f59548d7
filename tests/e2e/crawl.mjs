// crawl.mjs - everything that can be pressed is pressed, by people with nothing, with much and with no
// coins left, in both languages, and nothing that comes of it may be wrong: lib/judge.mjs says what that is,
// lib/crawl.mjs how it goes. Every row of the program's tables has to be met; the tables are read from the
// program.
//
//     tests/check debug tests/e2e/crawl.mjs        CRAWL_SEED=… walks in another order
//
// What people send is below, by state: a new state is given words or a photo by what its rows take,
// and wants a row here when those would not do.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Crawler } from "./lib/crawl.mjs";
import { OwnGround, root, run } from "./lib/ground.mjs";
import { buttonsOf, judgeCoverage, judgeMessage, judgeWaysHome } from "./lib/judge.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { broken, notEvenByName, portrait, portraits, tooSmall } from "./lib/photos.mjs";
import { recording } from "./lib/speech.mjs";
import { until } from "./lib/until.mjs";
import { encode } from "./lib/voice.mjs";
import { Wire } from "./lib/wire.mjs";

const seed = Number(process.env.CRAWL_SEED ?? 1);
const names = ["busy", "rich", "poor", "empty"].flatMap((kind) => ["ru", "en"].map((language) => `${kind} ${language}`));
const idOf = (name) => 7_000_000_001 + names.indexOf(name);
const adminId = idOf("rich ru");
const least = 4; // photos of an avatar

const spoken = {
    ru: {
        first: "Ася", picture: "маяк в снегу на закате", self: "в плаще на мосту ночью", name: "Нина", newName: "Нина в городе", draft: "Кружка",
        recording: "Планёрка", text: "Заметка", style: "город", nothing: "зебра",
    },
    en: {
        first: "Bob", picture: "a lighthouse in the snow at dusk", self: "in a cloak on a bridge at night", name: "Alice", newName: "Alice in town", draft: "My mug",
        recording: "Meeting", text: "A note", style: "city", nothing: "zebra",
    },
};

// ---------------------------------------------------------------- what people send

// Made before anything runs: while they are made this process hears nobody.
const voices = {}, heard = {};
for (const language of Object.keys(spoken)) {
    const recordings = [3, 4, 5].map((seconds) => [seconds, recording(seconds, { language })]);
    voices[language] = Object.fromEntries(recordings.map(([seconds, { wav }]) => [seconds, encode(wav, "ogg")]));
    heard[language] = recordings.at(-1)[1].words;
}
const size = { width: 512, height: 512 };
const trained = portraits(least, size), drafted = portraits(2, { ...size, from: 20 }), busily = portraits(least, { ...size, from: 30 });
const [expected, unexpected, astray, another] = portraits(4, { ...size, from: 50 });
const [dark, darker] = portraits(2, { ...size, from: 60, dark: true, blurred: true });
const small = tooSmall(61), torn = broken(64);

const words = (text, name = text) => ({ name, send: (crawler) => crawler.say(text) });
const photos = (name, ...files) => ({ name, send: (crawler) => crawler.sendPhotos(files) });
const captioned = (caption, file) => ({ name: "a photo with words", send: (crawler) => crawler.sendPhotos([file], caption) });
const file = (name, kind, more, bytes) => ({ name, send: (crawler) => crawler.sendFile(kind, bytes(crawler), more) });
const voice = (seconds) => ({ ownLanguage }) => voices[ownLanguage][seconds];
const plain = (text) => () => Buffer.from(text);

const inputsOf = (say) => ({
    words: [words(say.picture)],
    "a photo": [photos("a photo", expected), captioned(say.picture, unexpected)],
    unexpected: [words("?"), photos("an unexpected photo", unexpected)],
    idle: [
        words("?"), words("/nothing"), photos("a photo", astray),
        file("a voice", "voice", { duration: 3 }, voice(3)), file("another voice", "voice", { duration: 4 }, voice(4)),
        file("a recording", "audio", { duration: 5, file_name: `${say.recording}.ogg`, mime_type: "audio/ogg" }, voice(5)),
        file("no recording", "document", { file_name: `${say.recording}.mp3`, mime_type: "audio/mpeg" }, plain("no sound at all")),
        file("a text", "document", { file_name: `${say.text}.txt`, mime_type: "text/plain" }, plain(`${say.picture}. ${say.self}.`)),
        file("an unknown file", "document", { file_name: "a.bin", mime_type: "application/octet-stream" }, plain("x")),
    ],
    imagen_words: [words("!"), words(say.picture), photos("a photo", expected)],
    flux_words: [words("!"), words(say.self), photos("a photo", expected)],
    style: [words(say.nothing), words(say.style), words("x".repeat(101)), photos("an unexpected photo", unexpected)],
    avatar_name: [words("?"), words(say.draft)],
    avatar_rename: [words("?"), words(say.newName)],
    avatar_photos: [
        words("?"), photos("a photo", another), photos("the same photo", another), photos("a small photo", small),
        photos("a dark photo", dark), photos("another dark photo", darker),
        file("a broken photo", "document", { file_name: "b.png", mime_type: "image/png" }, () => torn.bytes),
        file("no photo", "document", { file_name: "c.txt", mime_type: "text/plain" }, () => notEvenByName.bytes),
    ],
    promo_code: [words("SOMMER"), words("SUMMER")],
    filter_typed: [words("?"), words("21.11.2026-01.11.2026"), words("01.01.2020-01.11.2026"), words("01.11.2026-21.11.2026")],
    filter_words: [words("!"), words(say.nothing), words(say.picture)],
    gallery_number: [words("0"), words("2")],
    transcript_rename: [words("x".repeat(100)), words(say.newName)],
    history_search: [words("!"), words(say.nothing), words(say.recording)],
});

// What spends or takes away is done so often, and by hand where it is the end.
const most = {
    "deleteme:go": 0, "imagen:make": 2, "flux:make": 2, "imagen:again": 1, "flux:again": 1, "training:start": 1, "speech:start": 1, "avatar:remove": 1,
    "gallery:remove": 2, "transcript:remove": 1, "photos:delete": 2, "photos:remove": 1, "mydata:make": 1, "topup:buy": 4, pay: 1, "note:make": 3,
    "language:set": 2, "statistics:chart": 2,
};

// ---------------------------------------------------------------- people

let ground, wire, tables;
const crawlers = {};

before(async () => {
    ground = await OwnGround.start("crawl", {
        settings: {
            SEND_CHAT_MESSAGES_PER_SECOND: 100, SEND_MESSAGES_PER_SECOND: 1000, FLOOD_LIMIT_PER_MINUTE: 100000, AVATAR_MIN_PHOTOS: least,
            TELEGRAM_ADMIN_IDS: adminId, FREE_TRANSCRIPTIONS_PER_DAY: 1,
        },
    });
    wire = new Wire(ground);
    tables = JSON.parse(await run(join(process.env.BUILD ?? join(root, "build/debug"), "tests/dialog"), ["--tables"]));
    await setFaults({ "fal.pixels": 64, "fal.seconds": 0, "fal.training_seconds": 0, "fal.retry_scale": 0.02, "telegram.retry_scale": 0.02 });
    await wire.sql(`insert into promo_codes (code, type, balance_amount, created_by) values ('SUMMER', 'balance', 50, 'crawl')`);
    console.log(`# seed ${seed}`);
});

after(async () => {
    wire?.end();
    await ground?.end();
});

async function meet(kind, language) {
    const name = `${kind} ${language}`, person = new Person(ground, idOf(name)), say = spoken[language];
    await ground.control("person", { id: person.id, first_name: say.first, language_code: language });
    const crawler = new Crawler({
        ground, wire, tables, person, language, most, name, isAdmin: person.id === adminId, inputs: inputsOf(say), seed: seed * 100 + names.indexOf(name),
        ends: ["deleteme_begun"], own: [...Object.values(say), "A second one", ...heard[language]],
    });
    crawlers[crawler.name] = crawler;
    await crawler.say("/start");
    return crawler;
}

// By an admin's correction; the session's copy of the person is dropped, which knows of coins as well.
async function setCoins(crawler, coins) {
    const { id } = crawler.person;
    await wire.sql(`do $$ declare p bigint; b bigint; begin
        select u.id, (ledger_balance(u.id)).balance into p, b from users u where u.telegram_id = ${id};
        if b > ${coins} then perform ledger_debit(p, gen_random_uuid()::text, b - ${coins}, 'adjustment', 'admin');
        elsif b < ${coins} then perform ledger_credit(p, gen_random_uuid()::text, ${coins} - b, 'adjustment', 'admin'); end if; end $$`);
    await wire.redis("HDEL", `session:{b${String(id % 64).padStart(2, "0")}}:${id}`, "u");
}

// Many more of what there is one of: rows that nobody would wait for, of the same files.
async function multiply(crawler) {
    const who = `(select id from users where telegram_id = ${crawler.person.id})`;
    const copy = (table, row, more) => `select (jsonb_populate_record(null::${table}, to_jsonb(${row}) || ${more})).*`;
    await wire.sql(`insert into image_generations ${copy("image_generations", "g", "jsonb_build_object('id', gen_random_uuid(), 'fal_request_id', null, 'created_at', g.created_at - n * interval '3 days')")}
        from (select * from image_generations where user_id = ${who} and generation_type = 'imagen4' and status = 'completed' order by created_at limit 1) g, generate_series(1, 24) n`);
    await wire.sql(`insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes, width, height, telegram_file_id, created_at)
        select gen_random_uuid(), g.id, g.user_id, 0, i.bucket, gen_random_uuid()::text, i.content_type, i.size_bytes, i.width, i.height, i.telegram_file_id, g.created_at
        from image_generations g cross join lateral (select * from images where user_id = ${who} and telegram_file_id is not null limit 1) i
        where g.user_id = ${who} and g.created_at < now() - interval '2 days'`);
    await wire.sql(`insert into user_transcripts (id, user_id, chat_id, message_id, language, source, name, status, duration_ms, is_free, model, spoken_language, words, text, cues, created_at, started_at, completed_at)
        select gen_random_uuid(), user_id, chat_id, message_id, language, source, name || ' ' || n, status, duration_ms, is_free, model, spoken_language, words, text, cues, created_at, started_at, completed_at
        from (select * from user_transcripts where user_id = ${who} and status = 'completed' order by number limit 1) t, generate_series(1, 12) n`);
    await wire.sql(`insert into avatars ${copy("avatars", "a", "jsonb_build_object('id', gen_random_uuid(), 'fal_request_id', null, 'name', 'A second one', 'is_main', false, 'training_type', 'portrait', 'gender', 'female')")}
        from avatars a where a.user_id = ${who} and a.status = 'completed' limit 1`);
    await wire.sql(`do $$ begin perform ledger_credit(${who}, gen_random_uuid()::text, 1, 'promo', 'promo') from generate_series(1, 24); end $$`);
}

// Quick mode asks nothing: what it offers is met by whoever has chosen it, and has an avatar that the styles suit.
async function drawQuickly(crawler) {
    await crawler.say("/settings");
    await crawler.press("settings:quick:1");
    await crawler.say("/create");
    for (const tap of ["style:open", "style:category", "style:group", "style:show", "style:make"]) await crawler.press(tap);
    await crawler.say("/create");
    await crawler.press("sample:open");
    await crawler.sendPhotos([expected]);
    await crawler.say("/create");
    await crawler.say(spoken[crawler.language].picture);
    await crawler.say("/settings");
    await crawler.press("settings:quick:0");
}

// What takes several choices one after the other: another avatar before there are words, another composition
// behind them, and filters that leave nothing.
async function chooseAgain(crawler) {
    const say = spoken[crawler.language];
    await crawler.say("/create");
    for (const tap of ["flux:open", "flux:avatars", "flux:use"]) await crawler.press(tap);
    await crawler.press("flux:edit");
    await crawler.say(say.self);
    await crawler.press("flux:seed");
    await crawler.say("/gallery");
    for (const tap of ["filter:open", "filter:words"]) await crawler.press(tap);
    await crawler.say(say.nothing);
    await crawler.say("/gallery");
    await crawler.press("gallery:all");
}

// An avatar that is ready, pictures, a recording, a draft.
async function furnish(crawler) {
    const say = spoken[crawler.language];
    await setCoins(crawler, 20000);
    await beginAvatar(crawler, say.name, ["avatar:type:…style"]);
    await crawler.sendPhotos(trained);
    for (const tap of ["training:open", "training:start"]) await crawler.press(tap);
    await crawler.say("/create");
    await crawler.say(say.picture);
    for (const tap of ["imagen:count:…:4", "imagen:make"]) await crawler.press(tap);
    await crawler.say("/create");
    await crawler.press("flux:open");
    await crawler.say(say.self);
    await crawler.press("flux:make");
    await crawler.sendFile("voice", voice(3)(crawler), { duration: 3 });
    await multiply(crawler);
    await crawler.say("/avatars");
    for (const tap of ["avatar:show", "avatar:main"]) await crawler.press(tap);
    await beginAvatar(crawler, say.draft, ["avatar:portrait", "avatar:gender:female"]);
    await crawler.sendPhotos(drafted);
}

async function beginAvatar(crawler, name, choices) {
    await crawler.say("/avatars");
    for (const tap of ["avatar:new", "avatar:agree", ...choices]) await crawler.press(tap);
    await crawler.say(name);
}

// ---------------------------------------------------------------- the crawl

async function everyCommand(crawler) {
    for (const { name } of tables.commands) await crawler.say(name);
}

const callOff = ["generation:cancel", "speech:cancel", "sample:cancel", "training:cancel", "training:stop"];

const setFaults = async (faults) => {
    for (const [name, value] of Object.entries(faults)) await ground.fault(name, value);
};

// Somebody whose work does not end: what FAL is given while it is slow takes as long, whatever comes. The
// training is begun before all else, for it waits a tenth of its time in the queue.
async function beginTraining(language) {
    const busy = await meet("busy", language);
    await setCoins(busy, 20000);
    busy.waitsFor = { jobs: true, orders: false };
    busy.most = { ...most, "avatar:new": 0, ...Object.fromEntries(callOff.map((name) => [name, 0])) }; // whose only avatar is the one that is trained
    await beginAvatar(busy, spoken[language].name, ["avatar:type:…style"]);
    await busy.sendPhotos(busily);
    await until(() => isTrueOf(busy, `select from avatar_photos p where p.user_id = u.id and p.validation_status = 'valid' having count(*) = ${least}`), "photos that are kept");
    for (const tap of ["training:open", "training:start"]) await busy.press(tap);
    await until(() => isTrueOf(busy, "select from avatar_trainings t where t.user_id = u.id and t.status = 'processing'"), "a training at FAL");
}

async function beginPicture(language) {
    const busy = crawlers[`busy ${language}`];
    await busy.say("/create");
    await busy.say(spoken[language].picture);
    await busy.press("imagen:make");
    await until(() => isTrueOf(busy, "select from image_generations g where g.user_id = u.id and g.status = 'processing'"), "a picture at FAL");
}

// What is selected of the person's rows, u being the person, is there.
const isTrueOf = async (crawler, what) =>
    (await wire.sql(`select exists (${what}) as is_true from users u where u.telegram_id = ${crawler.person.id}`))[0].is_true;

// All that can be done meanwhile is shown now: by now the training runs, and OpenAI answers nobody.
async function beBusy(language) {
    const busy = crawlers[`busy ${language}`];
    await until(() => isTrueOf(busy, "select from avatars a where a.user_id = u.id and a.training_started_at is not null"), "a training that runs", 150);
    busy.waitsFor = { jobs: false, orders: false };
    busy.inputs = { ...busy.inputs, unexpected: [words("?")], idle: [words("?")], avatar_photos: [words("?")] }; // what comes of files comes later
    await busy.sendFile("voice", voice(3)(busy), { duration: 3 });
    await until(() => isTrueOf(busy, "select from jobs j where j.user_id = u.id and j.kind = 'speech_piece' and j.last_error is not null"), "a recording under way");
    await busy.explore(60);
    await busy.say("/create");
    await busy.sendPhotos([expected]);
    for (const tap of ["sample:cancel", "speech:cancel"]) await busy.press(tap);
    await busy.say("/avatars");
    for (const tap of ["training:show", "training:cancel", "training:stop"]) await busy.press(tap);
    return busy;
}

// Nothing is left of it.
async function endWork(busy) {
    busy.waitsFor = { jobs: true, orders: false };
    const isCancel = ({ callback_data: tap = "" }) => /^(generation|sample|speech):cancel:/.test(tap);
    for (const { message_id: id } of await busy.person.messages()) {
        const message = (await busy.person.messages()).find((one) => one.message_id === id), button = buttonsOf(message).find(isCancel);
        if (button) await busy.tap(message, button.callback_data);
    }
    busy.waitsFor = { jobs: true, orders: true };
    await busy.rest();
    busy.take(await busy.look());
}

// The last button of all. What is asked then and what is told at the end is judged as well.
async function leave(crawler) {
    await crawler.say("/deleteme");
    await crawler.press("deleteme:ask");
    await crawler.press("deleteme:go");
    await until(async () => !(await wire.sql(`select id from users where telegram_id = ${crawler.person.id}`)).length, "a person who is let go of");
    await until(async () => (await crawler.look()).some((message) => !message.isGone && (crawler.complain(judgeMessage(message, crawler.about)), true)), "a last message");
    await crawler.say("/start");
}

const everybody = () => Object.values(crawlers);
const together = (acts) => Promise.all(["ru", "en"].map(acts));

async function timed(what, acts) {
    const begun = Date.now(), before = everybody().reduce((sum, one) => sum + one.acts, 0);
    await acts().finally(() => console.log(`# ${what}: ${everybody().reduce((sum, one) => sum + one.acts, 0) - before} acts in ${Math.round((Date.now() - begun) / 1000)} s`));
}

test("people with nothing, with much and without coins press everything", async () => {
    await setFaults({ "fal.training_seconds": 900 });
    await timed("a beginning", () => together(beginTraining));
    await setFaults({ "fal.training_seconds": 0 });
    await timed("a crawl", () => Promise.all([
        together(async (language) => {
            const rich = await meet("rich", language);
            await furnish(rich);
            await everyCommand(rich);
            await drawQuickly(rich);
            await chooseAgain(rich);
            await rich.explore();
        }),
        together(async (language) => {
            const poor = await meet("poor", language);
            await furnish(poor);
            await setCoins(poor, 0);
            await poor.explore();
        }),
        together(async (language) => {
            const empty = await meet("empty", language);
            await everyCommand(empty);
            await empty.explore();
        }),
    ]));
    for (const one of everybody()) console.log(`# ${one.name}: ${one.acts} acts, ${one.screens.size} screens`);
});

test("what is under way can be called off", () => timed("work that does not end", async () => {
    await setFaults({ "fal.seconds": 900 });
    await together(beginPicture);
    await setFaults({ "fal.seconds": 0, "openai.answer": 503 });
    const all = await together(beBusy);
    await setFaults({ "openai.answer": null });
    for (const busy of all) await endWork(busy);
}));

test("buttons of older screens are answered", () => timed("stale taps", () => together(async (language) => {
    const pressed = new Set();
    for (const crawler of everybody().filter((one) => one.language === language)) {
        const names = [...crawler.samples.keys()].filter((name) => !pressed.has(name));
        await crawler.pressStale(names);
        for (const name of names) pressed.add(name);
    }
})));

test("people who leave are let go of", () => timed("leaving", () => together((language) => leave(crawlers[`empty ${language}`]))));

test("nothing was wrong", () => {
    const all = everybody().flatMap((one) => one.complaints);
    const same = new Map();
    for (const one of all) {
        const what = one.split("\n")[0].replace(/^\w+ \w+: /, "");
        same.set(what, [...(same.get(what) ?? []), one]);
    }
    assert.equal(same.size, 0, `${all.length} complaints:\n${[...same.values()].map((ones) => `${ones.length} x ${ones[0]}`).join("\n")}`);
});

test("a way leads back to the menu from every screen", () => {
    const whole = everybody().filter((one) => !one.name.startsWith("busy")); // who has seen where each button leads
    const lost = whole.flatMap((one) => judgeWaysHome(one.map, (name) => name === one.home).map((what) => `${one.name}: ${what}`));
    assert.deepEqual(lost, []);
});

test("every row of the tables was met, and every button when it was out of date", () => {
    const fresh = new Set(everybody().flatMap((one) => [...one.fresh])), stale = new Set(everybody().flatMap((one) => [...one.stale]));
    assert.deepEqual(judgeCoverage(tables, { fresh, stale }), []);
});

test("money adds up, and the Bot API took every call", async () => {
    await checkLedger(ground);
    assert.deepEqual(await ground.callReport((call) => /message is not modified/.test(call.result)), []);
});
