// slow_turn_test.mjs - a turn that waits two seconds for PostgreSQL delays no
// other turn of its process. There is one process; a lock holds one writing
// turn; all others are answered meanwhile. What is looked at is the order of
// events, never how long they took.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { OwnGround } from "./lib/ground.mjs";
import { until } from "./lib/until.mjs";

let ground, nextUpdate = 100, nextPerson = 6_000_000_000;

before(async () => {
    ground = await OwnGround.start("slow_turn", { only: "postgres redis nginx bot", processes: 1 });
});

after(() => ground?.end());

const person = () => ({ id: nextPerson++, is_bot: false, first_name: "Ann", language_code: "en" });

function message(from, text) {
    return { update_id: nextUpdate++, message: { message_id: 5, date: 1_790_000_000, text, from, chat: { id: from.id, type: "private" } } };
}

function tap(from, data) {
    return {
        update_id: nextUpdate++,
        callback_query: {
            id: String(nextUpdate), from, chat_instance: "1", data,
            message: { message_id: 6, date: 1_790_000_000, text: "…", from: { id: 1, is_bot: true, first_name: "Bot" }, chat: { id: from.id, type: "private" } },
        },
    };
}

async function welcome(from) {
    assert.equal((await ground.update(message(from, "/start"))).status, 200);
    return from;
}

// A psql of the test's own that holds locks until it is told to let go.
class Holder {
    constructor() {
        this.child = spawn("psql", ["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", ground.settings.PGHOST, "-U", "postgres", "-d", "aisha"]);
        this.said = "";
        this.child.stdout.on("data", (piece) => (this.said += piece));
    }

    async hold(statement) {
        this.child.stdin.write(`begin;\n${statement};\n\\echo held\n`);
        await until(() => this.said.includes("held"), "the lock");
    }

    release() {
        return new Promise((done) => {
            this.child.on("exit", done);
            this.child.stdin.end("rollback;\n");
        });
    }
}

// A turn is waiting for a lock in PostgreSQL right now.
const isWaiting = () => ground.row("select pid from pg_stat_activity where usename = 'aisha_bot' and wait_event_type = 'Lock' limit 1");

// Sends an update; what became of it stands in `events` in the order it happened.
function send(events, name, update) {
    return ground.update(update).then((answer) => {
        events.push(name);
        return answer;
    });
}

function otherTurns(people) {
    return people.flatMap((from, i) => [
        [`menu of ${i}`, message(from, "/menu")],           // reads
        [`language of ${i}`, tap(from, `language:set:${i % 2 ? "en" : "ru"}`)], // writes
        [`balance of ${i}`, message(from, "/balance")],     // reads PostgreSQL
    ]);
}

// A waiting turn gives up after a second, and whoever waits for a connection after two. On a machine so
// busy that turns take that long, a round says nothing and is played again; a process that is held up
// loses every one.
async function inSomeRound(plays, what) {
    for (let round = 0; round < 8; round++)
        if (await plays()) return;
    assert.fail(what);
}

async function othersComeFirst() {
    const slow = await welcome(person());
    const others = [];
    for (let i = 0; i < 12; i++) others.push(await welcome(person()));
    const holder = new Holder();
    await holder.hold(`select 1 from users where telegram_id = ${slow.id} for update`);

    const events = [];
    const first = send(events, "slow", tap(slow, "language:set:ru"));
    await until(async () => events.length || await isWaiting(), "the turn that waits");
    const newcomers = Array.from({ length: 8 }, (_, i) => [`newcomer ${i}`, message(person(), "/start")]);
    const answers = await Promise.all([...otherTurns(others), ...newcomers].map(([name, update]) => send(events, name, update)));
    const came = events.indexOf("slow");
    await holder.release();

    const { status } = await first;
    console.log(`# ${came < 0 ? answers.length : came} of ${answers.length} turns were answered before the slow one, which got ${status}`);
    const isClean = came < 0 && status === 200 && answers.every((answer) => answer.status === 200);
    if (!isClean) return false;
    assert.equal((await ground.row("select language_code from users where telegram_id = :id", { id: slow.id })).language_code, "ru");
    return true;
}

test("one process answers everybody else while a turn waits, and then that turn", async () => {
    await inSomeRound(othersComeFirst, "the others had to wait for the slow turn");
});

test("a turn that waits too long is asked to come again, and then goes through once", async () => {
    const slow = await welcome(person());
    const holder = new Holder();
    await holder.hold(`select 1 from users where telegram_id = ${slow.id} for update`);
    const update = tap(slow, "language:set:ru");
    const answer = await ground.update(update);
    assert.equal(answer.status, 503);
    assert.equal(answer.headers["retry-after"], "1");
    assert.equal((await ground.ask("/ready")).status, 200);
    await holder.release();
    assert.equal((await ground.update(update)).status, 200);
    assert.equal((await ground.update(update)).status, 200);
    assert.equal((await ground.row("select language_code from users where telegram_id = :id", { id: slow.id })).language_code, "ru");
    assert.equal((await ground.row("select count(*)::int as n from turns where update_id = :id", { id: update.update_id })).n, 1);
    assert.equal((await ground.row("select count(*)::int as n from parked_updates")).n, 0);
});

// More turns wait than the process has connections.
async function tapsComeFirst() {
    const slow = [];
    for (let i = 0; i < 12; i++) slow.push(await welcome(person()));
    const quick = await welcome(person());
    assert.equal((await ground.update(message(quick, "/menu"))).status, 200); // now the cache knows them
    const holder = new Holder();
    await holder.hold(`select 1 from users where telegram_id in (${slow.map((one) => one.id)}) for update`);
    const events = [];
    const held = slow.map((from, i) => send(events, `slow ${i}`, tap(from, "language:set:ru")));
    await until(async () => events.length || await isWaiting(), "the turns that wait");
    for (const update of [tap(quick, "help:open"), tap(quick, "menu:open"), message(quick, "/help")])
        assert.equal((await send(events, "quick", update)).status, 200);
    const came = [...events];
    await holder.release();
    for (const answer of await Promise.all(held)) assert.ok([200, 503].includes(answer.status));
    return came.join() === "quick,quick,quick";
}

test("when every connection waits, taps that need no PostgreSQL are answered still", async () => {
    await inSomeRound(tapsComeFirst, "taps had to wait for a connection");
});
