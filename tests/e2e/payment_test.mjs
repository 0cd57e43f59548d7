// payment_test.mjs - coins for Stars, from the button in the chat page to the
// ledger and back: what is asked before a payment, a payment told of many
// times, refunds, the comparison with Telegram's list, and stores that are away.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Chat, openBrowser, openChat } from "./lib/browser.mjs";
import { OwnGround, root } from "./lib/ground.mjs";
import { checkLedger, Person } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const program = join(process.env.BUILD ?? join(root, "build/debug"), "bin/aisha");
const admin = 4242;
let ground, browser, nextUpdate = 8_000_000_000;

before(async () => {
    ground = await OwnGround.start("payment", { settings: { TELEGRAM_ADMIN_IDS: admin, WELCOME_COINS: 0 }, processes: 2 });
    await ground.control("person", { id: admin, first_name: "Admin", language_code: "en" });
    await ground.control("update", { user: admin, kind: "text", text: "/start" });
    browser = await openBrowser();
});

after(async () => {
    await browser?.close();
    await ground?.end();
});

function aisha(...words) {
    const environment = { ...process.env, ...ground.settings };
    const { status, stdout, stderr } = spawnSync(program, words.map(String), { env: environment, encoding: "utf8" });
    return { status, out: stdout, err: stderr, json: () => JSON.parse(stdout) };
}

// Somebody with an invoice of so many coins in the chat.
async function buyer(coins = 250, person) {
    const who = person ?? await (await Person.meet(ground)).start();
    const seen = new Set((await who.messages()).map((message) => message.message_id));
    await who.say("/profile");
    await who.see((message) => !seen.has(message.message_id) && JSON.stringify(message.markup).includes("topup:open"));
    await who.tap("topup:open");
    await who.tap(`topup:buy:${coins}`);
    who.invoice = await who.see((message) => message.kind === "invoice" && !seen.has(message.message_id));
    return who;
}

const checkouts = async (who) => (await ground.control(`checkouts?user=${who.id}`)).checkouts;

// Pays the invoice; the checkout as it ended.
async function pay(who) {
    const { checkout_id: id } = await who.act("pay", { message_id: who.invoice.message_id });
    return until(async () => (await checkouts(who)).find((one) => one.id === id && one.state !== "asked"), "the end of a checkout");
}

const paymentOf = (who) => ground.row("select p.*, p.state::text from payments p where user_id = :id order by created_at desc limit 1", { id: who.rowId });

async function paid(coins, person) {
    const who = await buyer(coins, person);
    assert.equal((await pay(who)).state, "paid");
    who.payment = await until(() => paymentOf(who), "a payment");
    await who.see(/Payment No\./);
    return who;
}

test("coins are bought in the chat page, and the receipt leads back", async () => {
    const who = await (await Person.meet(ground)).start();
    const page = await openChat(browser, ground.url, { users: [] });
    await page.goto(`${ground.url}/#${who.id}`);
    await page.reload();
    await page.waitForSelector(`.column[data-user="${who.id}"]`);
    const chat = new Chat(page, who.id);
    const tap = (name) => chat.column.locator(`.keys [data-callback^="${name}"]`).last().click();
    assert.equal(await chat.column.locator(".stars").innerText(), "1000 ★");
    await chat.type("/create");
    await chat.bubble("What shall we draw").waitFor();
    await chat.type("a heron in the reeds");
    await tap("imagen:make");
    await chat.bubble("Not enough").waitFor();
    await tap("topup:open");
    await chat.bubble("Top up").waitFor();
    await tap("topup:buy:250");
    await chat.column.locator("[data-pay]").last().click();
    await chat.bubble("250 coins added").waitFor();
    await chat.column.getByText("820 ★").waitFor();
    assert.equal(await chat.column.locator("[data-pay]").last().isDisabled(), true);
    await tap("dialog:resume");
    await chat.bubble("a heron in the reeds").waitFor();
    await tap("imagen:make");
    await until(async () => (await who.balance()).balance === 245, "the price being set aside");
    assert.deepEqual(page.complaints, []);
    await page.context().close();
});

test("what speaks against a payment is told in the page, in the bot's words", async () => {
    const who = await buyer(500);
    const page = await openChat(browser, ground.url, { users: [] });
    await page.goto(`${ground.url}/#${who.id}`);
    await page.reload();
    await page.waitForSelector(`.column[data-user="${who.id}"]`);
    await ground.sql("update users set is_blocked = true where telegram_id = :id;", { id: who.id });
    await page.locator(`.column[data-user="${who.id}"] [data-pay]`).last().click();
    await page.locator("#alert-dialog[open]").getByText("Your access to the bot is closed").waitFor();
    await page.context().close();
    await ground.sql("update users set is_blocked = false where telegram_id = :id;", { id: who.id });
    assert.deepEqual((await checkouts(who)).map((one) => one.state), ["refused"]);
    await ground.sql("update payment_orders set stars = 1 where user_id = :id;", { id: who.rowId });
    assert.match((await pay(who)).words, /out of date/);
    assert.equal(await paymentOf(who), undefined);
    assert.deepEqual(await who.balance(), { balance: 0, held: 0 });
});

test("a payment that is told of five times is credited once", async () => {
    await ground.fault("telegram.payment_copies", 5);
    const who = await paid(1000);
    await ground.fault("telegram.payment_copies", null);
    await ground.settled();
    assert.deepEqual(await who.balance(), { balance: 1000, held: 0 });
    assert.equal((await who.messages()).filter((message) => message.text?.includes("Payment No.")).length, 1);
    assert.equal((await ground.row("select count(*)::int as n from ledger_transfers where user_id = :id", { id: who.rowId })).n, 1);
});

// As Telegram brings it, whatever the sandbox knows.
function notice(who, charge, more = {}) {
    return {
        update_id: nextUpdate++,
        message: {
            message_id: 900_000_000 + nextUpdate % 1000, date: 1_790_000_000, chat: { id: who.id, type: "private" },
            from: { id: who.id, is_bot: false, first_name: `P${who.id}`, language_code: "en" },
            successful_payment: { currency: "XTR", total_amount: 340, invoice_payload: "lost", telegram_payment_charge_id: charge, provider_payment_charge_id: "p", ...more },
        },
    };
}

test("five copies at once, of one update and of several, are one credit", async () => {
    const who = await (await Person.meet(ground)).start();
    const one = notice(who, `at-once-${who.id}`);
    const updates = [one, one, ...[1, 2, 3].map(() => notice(who, `at-once-${who.id}`))];
    await Promise.all(updates.map((update) => until(async () => (await ground.update(update)).status === 200, "a delivery")));
    assert.deepEqual(await who.balance(), { balance: 500, held: 0 });
    await ground.update(notice(who, `odd-${who.id}`, { total_amount: 7 }));
    await who.see(/could not tell what it was for/);
    assert.deepEqual(await who.balance(), { balance: 500, held: 0 });
    assert.equal((await ground.row("select count(*)::int as n from jobs where kind = 'payment_alert' and payload->>'chat_id' = :'admin'", { admin })).n, 1);
});

test("an operator gives Stars back, and what is spent only with an explicit word", async () => {
    const who = await paid(250);
    const charge = who.payment.charge_id;
    assert.ok(aisha("payment", "list").out.includes(charge));
    assert.equal(aisha("payment", "show", who.payment.id.slice(0, 8), "--json").json().charge_id, charge);
    const answer = aisha("payment", "refund", charge);
    assert.equal(answer.status, 0, answer.err);
    await who.see(/180 ⭐ returned/);
    assert.deepEqual(await who.balance(), { balance: 0, held: 0 });
    await until(async () => (await paymentOf(who)).state === "refunded", "the refund");
    assert.match(aisha("payment", "refund", charge).err, /was refunded/);

    await paid(250, who);
    await ground.sql("select ledger_hold(:id, 'spent:' || :id, 200, null, 'image')", { id: who.rowId });
    const few = aisha("payment", "refund", who.payment.charge_id);
    assert.equal(few.status, 1);
    assert.match(few.err, /50 coins left of the 250/);
    await ground.fault("telegram.refund", { description: "CHARGE_NOT_FOUND", times: 1 });
    assert.equal(aisha("payment", "refund", who.payment.charge_id, "--force").status, 0);
    await until(async () => (await paymentOf(who)).refund_error, "the refusal");
    assert.deepEqual(await who.balance(), { balance: 50, held: 200 });
    assert.equal(aisha("payment", "refund", who.payment.charge_id, "--force", "--json").json().balance, 0);
    await until(async () => (await paymentOf(who)).state === "refunded", "the second refund");
    assert.deepEqual(await who.balance(), { balance: 0, held: 200 });
    await ground.sql("select ledger_release('spent:' || :id)", { id: who.rowId });
    assert.equal((await ground.sql("select * from admin_audit where action = 'refund' and subject = 'payment:' || :'id'", { id: who.payment.id })).length, 2);
    await checkLedger(ground);
});

test("what Telegram lists and what we have is compared, page by page, in both directions", async () => {
    // What other tests told of by hand, Telegram has never heard of.
    await ground.sql("delete from payments where charge_id like 'at-once-%' or charge_id like 'odd-%';");
    const same = aisha("payment", "check", "--now");
    assert.equal(same.status, 0, same.out + same.err);
    const who = await paid(500);
    const date = Math.floor(Date.now() / 1000) - 3600;
    for (let i = 0; i < 230; i++) await ground.control("star_transaction", { id: `planted-${i}`, user: who.id, stars: 7, date });
    await ground.control("forget_star_transaction", { id: who.payment.charge_id });
    const found = aisha("payment", "check", "--now", "--json");
    assert.equal(found.status, 1);
    const { differences } = aisha("payment", "check", "--json").json();
    assert.equal(differences.filter((one) => one.kind === "not_here").length, 100, "a list has an end");
    assert.equal((await ground.row("select count(*)::int as n from payment_differences where resolved_at is null and kind = 'not_here' and telegram_id = :id", { id: who.id })).n, 230);
    assert.equal((await ground.row("select count(*)::int as n from payment_differences where resolved_at is null and kind = 'not_there' and charge_id = :'charge'", { charge: who.payment.charge_id })).n, 1);
    for (let i = 0; i < 230; i++) await ground.control("forget_star_transaction", { id: `planted-${i}` });
    await ground.control("star_transaction", { id: who.payment.charge_id, user: who.id, stars: 340, date });
    assert.equal(aisha("payment", "check", "--now").status, 1, "what was listed once is remembered");
    const again = aisha("payment", "check", "--all");
    assert.equal(again.status, 0, again.out);
});

test("what is a day old and was compared is not read again", async () => {
    const read = (...words) => Number(aisha("payment", "check", ...words).out.match(/^Compared with (\d+) transactions/)[1]);
    const all = read("--all");
    assert.ok(all > 3);
    assert.equal(read("--now"), all, "all of it is of today");
    // As if the first three had been settled by the comparison of yesterday.
    await ground.sql("update star_checks set settled = 3 where id = (select max(id) from star_checks)");
    assert.equal(read("--now"), all - 3);
    assert.equal((await ground.row("select settled::int from star_checks order by id desc limit 1")).settled, 3);
    assert.equal(read("--all"), all);
    assert.equal((await ground.row("select settled::int from star_checks order by id desc limit 1")).settled, 0);
});

const orderOf = (who) => ground.row("select id, stars from payment_orders where user_id = :id order by created_at desc limit 1", { id: who.rowId });

// The question before a payment, as Telegram asks it, and what stands in the answer itself.
async function ask(who, { id: payload, stars }) {
    const began = Date.now();
    const answer = await ground.update({
        update_id: nextUpdate++,
        pre_checkout_query: {
            id: String(nextUpdate), from: { id: who.id, is_bot: false, first_name: "P", language_code: "en" },
            currency: "XTR", total_amount: stars, invoice_payload: payload,
        },
    });
    assert.equal(answer.status, 200);
    const said = answer.json();
    assert.equal(said.method, "answerPreCheckoutQuery");
    return { ...said, took: Date.now() - began };
}

// Telegram waits ten seconds; a machine that is busy with other tests may take some of them.
const inTime = 8000; // ms

test("ten thousand waiting jobs and workers that stand still change nothing", async () => {
    const who = await buyer();
    const order = await orderOf(who);
    await ground.withoutWorkers(async () => {
        await ground.sql("insert into jobs (lane, kind, key) select 'fal', 'generation_drop', 'waiting:' || n from generate_series(1, 10000) n;");
        try {
            const { ok, took } = await ask(who, order);
            assert.deepEqual([ok, took < inTime], [true, true]);
        } finally {
            await ground.sql("delete from jobs where key like 'waiting:%';");
        }
    });
});

test("while PostgreSQL is held up or away the answer is no, at once, and is yes again afterwards", async () => {
    const who = await buyer();
    const order = await orderOf(who);
    const holder = spawn("psql", ["-XAtq", "-h", ground.settings.PGHOST, "-U", "postgres", "-d", "aisha"]);
    let said = "";
    holder.stdout.on("data", (piece) => (said += piece));
    holder.stdin.write("begin; lock table payment_orders in access exclusive mode;\n\\echo held\n");
    await until(() => said.includes("held"), "the lock");
    const held = await ask(who, order);
    assert.deepEqual([held.ok, held.took < inTime], [false, true]);
    assert.match(held.error_message, /no Stars were taken/);
    await new Promise((done) => { holder.on("exit", done); holder.stdin.end("rollback;\n"); });

    await ground.without("postgres", "SIGQUIT", async () => {
        let away; // its connections outlive it by a moment
        await until(async () => !(away = await ask(who, order)).ok, "PostgreSQL being away");
        assert.ok(away.took < inTime);
        assert.match(away.error_message, /no Stars were taken/);
    });
    await until(async () => (await ask(who, order)).ok, "PostgreSQL being back");
    assert.equal((await pay(who)).state, "paid");
    await until(async () => (await who.balance()).balance === 250, "the coins");
    await checkLedger(ground);
});

test("nothing that went out was refused but what was planned", async () => {
    assert.deepEqual(await ground.callReport((call) => call.method === "refundStarPayment"), []);
});
