// speech_long_test.mjs - three hours, as a file too large for Telegram's own server: how much memory all processes
// take for it together, and whether something moves all the time. And a Bot API server on this machine.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { beginAvatar, judged } from "./lib/avatar.mjs";
import { OwnGround, root } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { portraits } from "./lib/photos.mjs";
import { arrived, heard, recording, send, shareHeard, talkFile } from "./lib/speech.mjs";
import { encode } from "./lib/voice.mjs";

const folder = join(root, "build/e2e/speech_long");
const files = join(folder, "telegram");
const mebibyte = 1 << 20;
// A sanitizer multiplies what a program takes; then it is told and not judged, and one hour takes as long as three.
const isSanitized = process.env.BUILD?.endsWith("/asan");
const hours = isSanitized ? 1 : 3, seconds = hours * 3600, price = hours * 600;
let ground;

before(async () => {
    mkdirSync(files, { recursive: true });
    ground = await OwnGround.start("speech_long", {
        settings: { TELEGRAM_FILES_DIR: files, WELCOME_COINS: 5000, SEND_CHAT_MESSAGES_PER_SECOND: 100 },
    });
});

after(async () => {
    await ground?.end();
    rmSync(files, { recursive: true, force: true });
});

// Processes by their parents.
function descendants(pids) {
    const children = new Map();
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        try {
            const parent = Number(readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" ")[1]);
            children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
        } catch { /* it has ended meanwhile */ }
    }
    const found = [...pids];
    for (let i = 0; i < found.length; i++) found.push(...(children.get(found[i]) ?? []));
    return found;
}

// What a process has in memory; pages that it shares with others are counted in parts. Who may not look that
// closely takes all of them for its own.
function bytesOf(pid) {
    try {
        return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))[1]) * 1024;
    } catch {
        try {
            return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]) * 1024;
        } catch {
            return 0; // it has ended meanwhile
        }
    }
}

// Of everything that runs here but the sandbox, which plays those who are elsewhere.
function memory() {
    const keepers = readdirSync(join(folder, "pid")).filter((name) => name.endsWith(".keeper") && !name.startsWith("sandbox"));
    const sum = { all: 0, ours: 0 };
    for (const pid of descendants(keepers.map((name) => ground.pid(name)))) {
        let program = "";
        try {
            program = readlinkSync(`/proc/${pid}/exe`);
        } catch { /* the same */ }
        const bytes = bytesOf(pid);
        sum.all += bytes;
        if (/\/aisha-/.test(program)) sum.ours += bytes;
    }
    return sum;
}

// Looks again and again until it is told to stop: at the memory, and at the message about the recording.
function watch(person) {
    const seen = { all: 0, ours: 0, texts: [], longest: 0 };
    let at = Date.now(), goesOn = true;
    const runs = (async () => {
        while (goesOn) {
            const now = memory();
            seen.all = Math.max(seen.all, now.all);
            seen.ours = Math.max(seen.ours, now.ours);
            const text = (await person.messages()).findLast((message) => /Conference/.test(message.text))?.text ?? "";
            if (text !== seen.texts.at(-1)) {
                if (!/Length:/.test(seen.texts.at(-1) ?? "Length:")) seen.longest = Math.max(seen.longest, Date.now() - at);
                seen.texts.push(text);
                at = Date.now();
            }
            await new Promise((done) => setTimeout(done, 300));
        }
    })();
    return async () => {
        goesOn = false;
        await runs;
        return seen;
    };
}

const percents = (texts, stage) => texts.filter((text) => stage.test(text) && /\d%/.test(text)).map((text) => Number(/(\d+)%/.exec(text)[1]));

test("a recording of hours: all of it, in order, in little memory, and something moves all the time", async () => {
    const person = await (await Person.meet(ground)).start();
    const before = await person.balance();
    const path = join(files, "conference.wav");
    const words = talkFile(path, seconds, "ru");
    const began = Date.now(), stop = watch(person);
    await ground.control("update", { user: person.id, kind: "audio", path, file_name: "Conference.wav", mime_type: "audio/wav", duration: seconds }, { isFresh: true });
    rmSync(path); // the server has it
    const quote = await person.see(`Length: ${hours}:00:00`, 180);
    assert.ok(quote.text.includes(`costs ${price} coins`), quote.text);
    await person.tap("speech:start");
    const row = await arrived(person, "completed", 600).finally(() => stop());
    const seen = await stop(), took = (Date.now() - began) / 1000, share = shareHeard(words, row.text);
    console.log(`# ${row.file_size / mebibyte | 0} MiB, ${row.pieces} pieces, ${words.length} words, ${(share * 100).toFixed(1)} % heard, ${took.toFixed(0)} s`);
    console.log(`# at most ${(seen.all / mebibyte).toFixed(0)} MiB in all processes but the sandbox, ${(seen.ours / mebibyte).toFixed(0)} MiB in ours`);
    console.log(`# ${seen.texts.length} states of the message, the longest stood for ${(seen.longest / 1000).toFixed(1)} s`);
    assert.ok(share >= 0.95);
    assert.deepEqual([row.duration_ms, row.price, row.charged], [seconds * 1000, price, price]);
    assert.ok(row.pieces >= 12 * hours && row.pieces <= 16 * hours, `${row.pieces} pieces`); // cut where it is quietest: an even share, or a quarter less
    assert.ok(Math.abs((await heard(ground)).heard_ms - seconds * 1000) < 1000, "each second is heard once");
    assert.equal((await person.balance()).balance, before.balance - price);
    if (!isSanitized) assert.ok(seen.all < 300 * mebibyte, "memory of all processes");
    const heardSoFar = seen.texts.filter((text) => /heard so far/.test(text)), cut = percents(seen.texts, /Preparing/), done = percents(seen.texts, /recognised/);
    assert.ok(heardSoFar.length >= hours && cut.length >= 2 * hours + 2 && done.length >= 4 * hours, `${heardSoFar.length}, ${cut.length} and ${done.length} steps`);
    for (const steps of [cut, done]) assert.deepEqual(steps, [...steps].sort((a, b) => a - b), "never back");
    assert.ok(seen.longest < (isSanitized ? 60000 : 30000), `nothing moved for ${seen.longest} ms`);
    await checkLedger(ground);
});

test("photos and small recordings come from the disk as well", async () => {
    const person = await (await Person.meet(ground)).start();
    const avatar = await beginAvatar(person, { type: "object", name: "Uploader" });
    await person.sendPhotos(portraits(3, { from: 11 }));
    assert.ok((await judged(ground, avatar.id, 3)).every((photo) => photo.validation_status === "valid"));
    const { wav, words } = recording(20);
    await send(person, encode(wav, "ogg"), "voice", { duration: 20 });
    assert.ok(shareHeard(words, (await arrived(person, "completed")).text) >= 0.95);
    const { file_path: named } = JSON.parse((await ground.control("calls?method=getFile&limit=1")).calls[0].result);
    assert.ok(named.startsWith(`${files}/`), named);
    assert.equal((await ground.ask(`/sandbox/telegram/file/bot${ground.settings.TELEGRAM_TOKEN}/${named}`)).status, 404);
});
