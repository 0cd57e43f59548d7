// money_test.mjs - coins under pressure, through the webhook: many purchases at
// the same moment for one, and a ledger that is wrong and says so.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { OwnGround, root } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const many = 64;
let ground, nextUpdate = 8_000_000_000;

before(async () => {
    ground = await OwnGround.start("money", {
        settings: { FLOOD_LIMIT_PER_MINUTE: 1000, WELCOME_COINS: 100, SEND_MESSAGES_PER_SECOND: 1000, SEND_CHAT_MESSAGES_PER_SECOND: 100 },
        processes: 2,
    });
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
});

after(() => ground?.end());

function aisha(...words) {
    const program = join(process.env.BUILD ?? join(root, "build/debug"), "bin/aisha");
    const { status, stdout, stderr } = spawnSync(program, words.map(String), { env: { ...process.env, ...ground.settings }, encoding: "utf8" });
    return { status, out: stdout, err: stderr };
}

// As Telegram does it: again and again, until it is taken.
async function deliver(update) {
    await until(async () => (await ground.update(update)).status === 200, `update ${update.update_id} being taken`);
}

function tap(person, messageId, data) {
    return {
        update_id: nextUpdate++,
        callback_query: {
            id: String(nextUpdate), chat_instance: "1", data,
            from: { id: person.id, is_bot: false, first_name: `P${person.id}`, language_code: "en" },
            message: { message_id: messageId, date: 1_790_000_000, chat: { id: person.id, type: "private", first_name: `P${person.id}` } },
        },
    };
}

// Leaves the person exactly so many coins.
async function leave(person, coins) {
    const { balance } = await person.balance();
    await ground.sql(`do $$ begin perform ledger_debit(${person.rowId}, 'test:${person.id}', ${balance - coins}, 'adjustment', 'operator'); end $$`);
    assert.deepEqual(await person.balance(), { balance: coins, held: 0 });
}

// Holds the person's coins still until several purchases wait for them: all of those have seen coins.
async function together(person, acts) {
    const holder = spawn("psql", ["-XAtq", "-h", ground.settings.PGHOST, "-U", "postgres", "-d", "aisha"], { stdio: ["pipe", "pipe", "inherit"] });
    holder.stdin.write(`begin; select ledger_lock(${person.rowId}); select 'held';\n`);
    await new Promise((done) => holder.stdout.on("data", (piece) => String(piece).includes("held") && done()));
    const acting = acts();
    await until(async () => (await ground.row("select count(*)::int as n from pg_stat_activity where usename = 'aisha_bot' and wait_event_type = 'Lock'")).n >= 4, "purchases that wait for each other");
    holder.stdin.end("commit;\n");
    await acting;
}

const ordersOf = (person) => ground.sql(`select id, price, status from image_generations where user_id = ${person.rowId} order by created_at`);

test(`of ${many} purchases at the same moment one finds the coins for it`, async () => {
    const person = await (await Person.meet(ground)).start();
    const first = await person.order("a fox in the snow");
    await person.ended(first, "completed");
    const price = Number(first.price);
    await leave(person, price);

    await ground.withoutWorkers(async () => {
        // Each is a button of another message, so each is a purchase of its own.
        const taps = Array.from({ length: many }, (_, i) => tap(person, 1_000_000 + i, `imagen:again:${first.id}:1:${price}`));
        await together(person, () => Promise.all(taps.map(deliver)));
        assert.equal((await ordersOf(person)).length, 2, "one more order");
        assert.deepEqual(await person.balance(), { balance: 0, held: price });
        assert.deepEqual(await ground.sql("select * from parked_updates"), []);
        // Once more each, as if no answer had arrived: what was done stays done, and so do the refusals.
        await Promise.all(taps.map(deliver));
        assert.equal((await ordersOf(person)).length, 2, "and no other when all are repeated");
        assert.deepEqual(await person.balance(), { balance: 0, held: price });
    });
    const second = (await ordersOf(person))[1];
    await person.ended(second, "completed");
    assert.deepEqual(await person.balance(), { balance: 0, held: 0 });
    await checkLedger(ground);
    assert.equal(aisha("ledger", "check").status, 0);
});

test("a ledger that is wrong is told of by the workers, the command and the counter", async () => {
    const person = await (await Person.meet(ground)).start();
    const tamper = (coins) => ground.sql(`begin; alter table ledger_accounts disable trigger user;
        update ledger_accounts set balance = balance + ${coins} where user_id = ${person.rowId} and kind = 'user';
        alter table ledger_accounts enable trigger user; commit`);
    await tamper(7);
    const check = aisha("ledger", "check");
    assert.equal(check.status, 1);
    assert.match(check.out, /^ledger: WRONG\n {2}stored balance differs from its entries, transfer 0, account \d+, expected 100, found 107\n {2}balances do not sum to zero, transfer 0, account 0, expected 0, found 7\n$/);
    assert.equal(aisha("db", "report").status, 1);

    // A worker looks when it starts, and then every five minutes.
    for (const name of ["worker-1", "worker-2"]) ground.kill(name);
    await until(() => /level=error event=ledger\.wrong problem="stored balance differs from its entries" transfer=0 account=\d+ expected=100 found=107 problems=2/.test(ground.log("worker")), "the worker's word");
    await until(async () => (await ground.row("select coalesce(sum(value), 0)::int as n from counters where name = 'ledger_wrong'")).n > 0, "the counter");

    await tamper(-7);
    assert.equal(aisha("ledger", "check").status, 0);
});

test("a line of the past that was changed is found by reading everything, and from then on by everybody", async () => {
    const person = await (await Person.meet(ground)).start();
    // What workers do every five minutes, until the mark has gone over all there is.
    await until(async () => {
        await ground.sql("select ledger_check_on()");
        return (await ground.row("select transfer_id = (select max(id) from ledger_transfers) as is_done from ledger_marks")).is_done;
    }, "the mark");
    const tamper = (coins) => ground.sql(`begin; alter table ledger_entries disable trigger user;
        update ledger_entries set amount = amount + ${coins}
        where amount > 0 and transfer_id = (select max(id) from ledger_transfers where user_id = ${person.rowId});
        alter table ledger_entries enable trigger user; commit`);
    await tamper(1);
    assert.equal(aisha("ledger", "check").status, 0, "the past is not read");
    const all = aisha("ledger", "check", "--all");
    assert.equal(all.status, 1);
    assert.match(all.out, /entries do not sum to zero, transfer \d+, account 0, expected 0, found 1\n/);
    assert.match(aisha("ledger", "check").out, /entries do not sum to zero/);
    await tamper(-1);
    assert.equal(aisha("ledger", "check").status, 0);
    assert.equal(aisha("ledger", "check", "--all").status, 0);
});
