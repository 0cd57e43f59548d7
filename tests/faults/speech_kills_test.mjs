// speech_kills_test.mjs - kill -9 of the workers at each step of a recording in six pieces. The steps are those that
// handlers/routes.c names; within each, whatever it writes is heard on the line to PostgreSQL of a first recording, and
// of a second one the workers die before the first statement of each such transaction (behind the calls to
// others), before its end, and after its end with the answer lost. One result, one charge.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { OwnGround, root } from "../e2e/lib/ground.mjs";
import { Person, checkLedger } from "../e2e/lib/person.mjs";
import { arrived, heard, newest, recording, send, shareHeard } from "../e2e/lib/speech.mjs";
import { encode } from "../e2e/lib/voice.mjs";
import { PostgresRelay } from "./relay.mjs";

// A model without times has the shortest pieces: the same steps, and as many pieces, in a third of the time.
const model = "gpt-4o-transcribe";
const seconds = 450, price = 80, pieceMost = 93_750; // an even share of seventy-five seconds, and a quarter
const sockets = mkdtempSync(join(tmpdir(), "aisha-speech-"));
const folder = join(root, "build/e2e/speech_kills");
const relay = new PostgresRelay({ path: join(sockets, ".s.PGSQL.5432") },
    () => ({ path: join(realpathSync(join(folder, "sockets")), "postgres/.s.PGSQL.5432") }));
const { wav, words } = recording(seconds, { language: "en" });
const bytes = encode(wav, "ogg");
let ground, transactions;

before(async () => {
    await relay.open();
    ground = await OwnGround.start("speech_kills", {
        settings: { DATABASE_SOCKETS: sockets, WHISPER_MODEL: model, WELCOME_COINS: 1000, SEND_CHAT_MESSAGES_PER_SECOND: 100 },
    });
});

after(async () => {
    relay.points = [];
    await ground?.end();
    await relay.close();
    rmSync(sockets, { recursive: true, force: true });
});

// The kinds of jobs that a recording goes through.
function kindsOfSteps() {
    const routes = readFileSync(join(root, "handlers/routes.c"), "utf8");
    const kinds = [...routes.matchAll(/^ {4}\{"(\w+)",\s+"\w+",\s+job_(speech_\w+|transcript_deliver)/gm)].map((match) => match[1]);
    return kinds.filter((kind) => kind !== "speech_text").sort(); // a text has no sound
}

// Statements about recordings, but those of the history, of notes, and of whoever stops one.
function statementsOfSteps() {
    const others = /^(transcripts_|transcript_(rename|delete|speech_language|set_speech_language|stop|end|pace|start|add|piece_not_asked)$|note_)/;
    return readFileSync(join(root, "db/sql/transcript.sql"), "utf8").split(/^-- :/m).slice(1)
        .filter((statement) => /^\w+ writes/.test(statement)).map((statement) => /^\w+/.exec(statement)[0]).filter((name) => !others.test(name));
}

async function order(person) {
    await send(person, bytes, "audio", { file_name: "Lecture.ogg", duration: seconds });
    await person.see(/Length: 7:/, 240);
    await person.tap("speech:start");
}

async function isRight(person, row) {
    const share = shareHeard(words, row.text);
    assert.ok(share >= 0.95, `${share} heard`);
    assert.ok(row.pieces >= 4 && row.pieces <= 7, `${row.pieces} pieces`);
    assert.deepEqual([row.price, row.charged], [price, price]);
    assert.deepEqual(await person.balance(), { balance: 1000 - price, held: 0 });
    assert.deepEqual((await ground.sql("select kind from ledger_transfers where subject = :'id' order by id", { id: row.id })).map((one) => one.kind), ["hold", "capture"]);
    const cards = (await person.messages()).filter((message) => message.text.startsWith("📄 Lecture"));
    assert.equal(cards.length, 1, "one result");
}

test("a recording that nothing disturbs: every step is heard", async () => {
    const person = await (await Person.meet(ground)).start();
    relay.transactions = [];
    const seq = (await heard(ground)).seq;
    await order(person);
    const row = await arrived(person, "completed", 240);
    await isRight(person, row);
    const ms = (await heard(ground, seq)).heard_ms;
    assert.ok(Math.abs(ms - row.duration_ms) < 1000, `${ms} of ${row.duration_ms} ms`);
    const kinds = (await ground.sql("select distinct kind from jobs where subject = :'id'", { id: row.id })).map((one) => one.kind).sort();
    assert.deepEqual(kinds, kindsOfSteps(), "each step of the table of jobs");

    // A turn begins with its update: what is left is the workers'. Steps that only say something write nothing but
    // their own end.
    const ours = relay.transactions.filter((names) => names.some((name) => /^transcript_/.test(name)) && !names.some((name) => /^turn_/.test(name)));
    transactions = [...new Set([...ours.map((names) => names.join(" ")), "begin job_finish commit"])];
    for (const path of transactions) console.log(`# ${path}`);
    const unheard = statementsOfSteps().filter((name) => !transactions.some((path) => path.split(" ").includes(name)));
    assert.deepEqual(unheard, [], "each statement of a step");
});

// Places to die at in a transaction: its first statement stands behind the calls to others.
function pointsOf(path) {
    const names = path.split(" "), first = names.slice(0, 2).join(" ");
    return [{ path: first, place: "before" }, { path, place: "before" }, { path, place: "after" }].map((point) => ({ ...point, kills: true, isAnyDeath: true, isHit: false }));
}

test("kill -9 at each step: one result, one charge, and no more is heard twice than was under way", async () => {
    const person = await (await Person.meet(ground)).start();
    const seq = (await heard(ground)).seq;
    const points = [...new Map(transactions.flatMap(pointsOf).map((point) => [`${point.place} ${point.path}`, point])).values()];
    relay.points = points;
    const deaths = [];
    // Where one worker dies the other one dies too, so that all steps begin anew. A step whose process dies again
    // and again would be given up for what it is given: here it is our doing.
    const reaper = setInterval(async () => {
        const hit = points.filter((point) => point.isOver).length;
        if (hit > deaths.length)
            for (const name of ["worker-1", "worker-2"]) ground.kill(name);
        while (deaths.length < hit) deaths.push(Date.now());
        await ground.requeue("0").catch(() => {});
    }, 100);
    let row;
    try {
        await order(person);
        row = await arrived(person, "completed", 600);
    } finally {
        clearInterval(reaper);
    }
    const missed = points.filter((point) => !point.isHit).map(({ place, path }) => `${place} ${path}`);
    console.log(`# ${points.length} points, ${deaths.length} deaths`);
    assert.deepEqual(missed, [], "each was a death");
    await isRight(person, row);
    const more = (await heard(ground, seq)).heard_ms - row.duration_ms;
    console.log(`# ${(more / 1000).toFixed(0)} s were heard more than once`);
    assert.ok(more >= -1000 && more <= deaths.length * 3 * pieceMost, `${more} ms heard twice`);
    await checkLedger(ground);
    assert.deepEqual(await ground.sql("select * from ledger_check()"), []);
    assert.deepEqual(await ground.sql("select transcript_id from user_transcript_pieces"), []);
    assert.deepEqual(await ground.sql("select id, kind, last_error from jobs where state = 'dead'"), []);
});
