// money_points_test.mjs - the bot and the workers lose PostgreSQL, or die, at
// each statement of each transaction that moves coins: before the statement,
// and after it with its answer lost. The statements are read from db/sql, the
// transactions they stand in are heard on the line, and every point is hit.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { OwnGround, root } from "../e2e/lib/ground.mjs";
import { Person } from "../e2e/lib/person.mjs";
import { until } from "../e2e/lib/until.mjs";
import { PostgresRelay } from "./relay.mjs";

const isLong = Boolean(process.env.SOAK);
const people = 12, welcome = 1000000;
const sockets = mkdtempSync(join(tmpdir(), "aisha-money-"));
const folder = join(root, "build/e2e/money_points");
const relay = new PostgresRelay({ path: join(sockets, ".s.PGSQL.5432") },
    () => ({ path: join(realpathSync(join(folder, "sockets")), "postgres/.s.PGSQL.5432") }));
const say = (...words) => console.log(`# ${words.join(" ")}`);
const newcomers = [], gift = 50, more = 20, bought = 250;
let ground, buyers, orders = 0, nextUpdate = 9_000_000_000, nextNewcomer = 20_000_000_000;

before(async () => {
    await relay.open();
    ground = await OwnGround.start("money_points", {
        settings: { DATABASE_SOCKETS: sockets, WELCOME_COINS: welcome, TOPUP_PACKAGES: `${bought}:180`, FLOOD_LIMIT_PER_MINUTE: 100000, SEND_MESSAGES_PER_SECOND: 1000, SEND_CHAT_MESSAGES_PER_SECOND: 100 }, processes: 2,
    });
    for (const [name, value] of [["fal.pixels", 64], ["fal.seconds", 0], ["fal.running", 16]]) await ground.fault(name, value);
});

after(async () => {
    relay.points = [];
    await ground?.end();
    await relay.close();
    rmSync(sockets, { recursive: true, force: true });
});

// Every statement that calls what moves coins, by name.
function moneyStatements() {
    const moves = /\b(ledger_(hold|capture|release|credit|debit)|payment_(take|refund\w*)|promo_(apply|spend))\s*\(/;
    return readdirSync(join(root, "db/sql")).flatMap((file) =>
        readFileSync(join(root, "db/sql", file), "utf8").split(/^-- :/m).slice(1)
            .filter((statement) => moves.test(statement.replace(/--.*/g, "")))
            .map((statement) => statement.match(/^\w+/)[0]));
}

// Somebody with two finished orders to repeat: one that FAL draws, and one that it refuses.
async function makeBuyer() {
    const person = await (await Person.meet(ground)).start();
    const good = await person.order("a fox in the snow");
    await person.ended(good, "completed");
    const bad = (await ground.row("select gen_random_uuid() as id")).id;
    await ground.sql(`insert into image_generations select (json_populate_record(g, json_build_object('id', '${bad}',
        'original_prompt', 'a fox [unsafe]', 'final_prompt', 'a fox [unsafe]'))).* from image_generations g where g.id = '${good.id}'`);
    return { person, good: good.id, bad, price: Number(good.price) };
}

// As Telegram does it: again and again, until it is taken.
async function deliver(kind, body) {
    const update = { update_id: nextUpdate++, [kind]: body };
    await until(async () => (await ground.update(update).catch(() => null))?.status === 200, `update ${update.update_id} being taken`, 180);
}

const from = (id) => ({ id, is_bot: false, first_name: `P${id}`, language_code: "en" });
const chat = (id) => ({ id, type: "private", first_name: `P${id}` });

// One more order. Its button is of a message of its own.
const buy = ({ person, price }, generation) => deliver("callback_query", {
    id: String(nextUpdate), chat_instance: "1", data: `imagen:again:${generation}:1:${price}`, from: from(person.id),
    message: { message_id: 1_000_000 + orders++, date: 1_790_000_000, chat: chat(person.id) },
});

const write = (id, more) => deliver("message", { message_id: 2_000_000 + nextUpdate % 1_000_000, date: 1_790_000_000, from: from(id), chat: chat(id), ...more });

// Comes with the welcome, takes a code of coins, then one for the next purchase, and pays.
async function newcomer() {
    const id = nextNewcomer++;
    newcomers.push(id);
    await ground.control("person", { id, first_name: `P${id}`, language_code: "en" });
    await write(id, { text: "/start" });
    await write(id, { text: "/promo GIFT" });
    await write(id, { text: "/promo MORE" });
    await write(id, { successful_payment: { currency: "XTR", total_amount: 180, invoice_payload: "none of ours",
        telegram_payment_charge_id: `charge-${id}`, provider_payment_charge_id: `provider-${id}` } });
}

function round() {
    return Promise.all([...buyers.flatMap((buyer) => [buy(buyer, buyer.good), buy(buyer, buyer.bad)]), ...Array.from({ length: people }, newcomer)]);
}

const openWork = async () => (await ground.row(`select (select count(*) from jobs where state in ('queued', 'running') and run_at < now() + interval '5 minutes')
    + (select count(*) from image_generations where status in ('pending', 'processing')) as n`)).n;
const atRest = () => until(async () => {
    await ground.requeue();
    return (await openWork()) === 0;
}, "nothing left to do", 300);

// A transaction that hardly ever takes this form, because two steps met, would be waited for in vain.
function usual(transactions) {
    const counts = new Map();
    for (const names of transactions) counts.set(names.join(" "), (counts.get(names.join(" ")) ?? 0) + 1);
    return [...counts].filter(([, count]) => count >= people / 2).map(([path]) => path.split(" "));
}

function pointsOf(transactions, statements) {
    const points = new Map();
    for (const names of transactions)
        for (let i = 0; i < names.length; i++)
            for (const place of ["before", "after"]) {
                const path = names.slice(0, i + 1).join(" ");
                points.set(`${place} ${path}`, { path, place, kills: false, isHit: false });
                // Death is met where it matters most.
                if (names[i] === "commit" || (isLong && statements.includes(names[i])))
                    points.set(`${place} ${path} killed`, { path, place, kills: true, isHit: false });
            }
    return [...points.values()];
}

test("every transaction that moves coins is cut off at each of its statements", async () => {
    await ground.sql(`insert into promo_codes (code, type, balance_amount, bonus_amount, created_by)
        values ('GIFT', 'balance', ${gift}, null, 'test'), ('MORE', 'bonus', null, ${more}, 'test')`);
    buyers = await Promise.all(Array.from({ length: people }, makeBuyer));
    await round();
    await atRest();
    const statements = moneyStatements();
    const transactions = usual(relay.transactions.filter((names) => names.some((name) => statements.includes(name))));
    const seen = statements.filter((name) => transactions.some((names) => names.includes(name)));
    say(`statements that move coins: ${statements.join(" ")}`);
    for (const names of transactions) say(`transaction: ${names.join(" ")}`);
    // A refund is begun by the operator's command, whose outcome the operator asks for; see tests/money/points_test.c.
    assert.deepEqual(statements.filter((name) => !seen.includes(name) && !name.startsWith("payment_refund")), [], "each is called");

    const points = pointsOf(transactions, statements);
    for (let i = 0; i < points.length && points.some((point) => !point.isHit); i++) {
        const left = points.filter((point) => !point.isHit), deaths = left.filter((point) => point.kills);
        // An update that meets its fourth death is parked, as it should be: no more than two at a time.
        relay.points = [...left.filter((point) => !point.kills), ...deaths.slice(0, 2)];
        await round();
        await atRest();
    }
    const missed = points.filter((point) => !point.isHit);
    say(`${points.length} points, ${points.filter((point) => point.kills).length} of them deaths, ${orders} orders`);
    assert.deepEqual(missed.map(({ path, place }) => `${place} ${path}`), []);
});

test("each order was made once, and ended as paid or as given back", async () => {
    const rows = await ground.sql(`select g.id, g.user_id, g.status, g.price, (select json_agg(t.kind order by t.id) from ledger_transfers t where t.subject = g.id) as transfers
        from image_generations g where g.id not in (${buyers.map(({ bad }) => `'${bad}'`).join(",")})`);
    assert.equal(rows.length, orders + people, "as many as there were buttons");
    for (const row of rows)
        assert.deepEqual(row.transfers, ["hold", row.status === "completed" ? "capture" : "release"], JSON.stringify(row));
    for (const { person } of buyers) {
        const spent = rows.filter((row) => row.user_id === person.rowId && row.status === "completed").reduce((sum, row) => sum + Number(row.price), 0);
        assert.deepEqual(await person.balance(), { balance: welcome - spent, held: 0 });
    }
    const wrong = await ground.sql(`select u.telegram_id, b.*, p.payments from users u, ledger_balance(u.id) b,
        lateral (select count(*) as payments from payments p where p.user_id = u.id) p
        where u.telegram_id between 20000000000 and ${nextNewcomer} and (balance <> ${welcome + gift + bought + more} or held <> 0 or payments <> 1)`);
    assert.deepEqual(wrong, []);
    assert.equal((await ground.row("select count(*)::int as n from users where telegram_id >= 20000000000")).n, newcomers.length);
    assert.ok(rows.filter((row) => row.status === "failed").length >= orders / 2);
    assert.deepEqual(await ground.sql("select * from ledger_check()"), []);
    assert.deepEqual(await ground.sql("select * from parked_updates"), []);
    assert.deepEqual(await ground.sql("select id, kind, last_error from jobs where state = 'dead'"), []);
});
