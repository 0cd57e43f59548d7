// cli_test.mjs - the operator's command, as an operator types it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { operator } from "./lib/aisha.mjs";
import { findGround } from "./lib/ground.mjs";
import { Person } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const ground = findGround();
const aisha = operator(ground);

// Others live on this ground too: however this ends, updates are delivered.
after(() => assert.equal(aisha(["webhook", "set"]).status, 0));

test("every command tells what it is for, and a slip is understood", () => {
    const help = aisha(["--help"]);
    assert.equal(help.status, 0);
    for (const name of ["backup", "backup ls", "restore", "import", "config check", "config show", "credit", "db migrate", "db status", "db verify", "db report", "job ls", "job show", "job retry", "job giveup", "ledger check", "ledger statement", "ledger show", "payment list", "payment show", "payment refund", "payment check", "promo make", "promo stop", "promo list", "promo stats", "styles check", "styles load", "styles list", "user find", "user show", "user block", "user unblock", "webhook set", "webhook info", "webhook doctor", "webhook delete"]) {
        assert.ok(help.out.includes(`  ${name} `), name);
        const own = aisha([...name.split(" "), "--help"]);
        assert.equal(own.status, 0);
        assert.ok(own.out.startsWith(`usage: aisha [--env FILE] ${name}`), own.out);
    }
    for (const [words, wanted] of [
        [["confg", "chek"], /did you mean "aisha config check"\?/],
        [["crdit", 1, 2], /did you mean "aisha credit"\?/],
        [["webhok", "info"], /did you mean "aisha webhook info"\?/],
        [["db"], /aisha db migrate\n +aisha db status\n +aisha db verify\n +aisha db report/],
        [["something else"], /there is no command/],
        [["credit"], /an argument is missing\nusage: aisha credit <telegram id> <coins>/],
        [["db", "status", "--json"], /no data/],
        [["promo", "list", "--key", "x"], /it takes no --key/],
        [["promo", "make", "--code"], /no such option, or its value is missing: --code/],
        [["config", "check", "--loud"], /--loud/],
        [[], /usage: aisha/],
    ]) {
        const answer = aisha(words);
        assert.equal(answer.status, 2, words.join(" "));
        assert.match(answer.err, wanted);
        assert.equal(answer.out, "");
    }
});

test("settings are checked whole, and shown without secrets", () => {
    assert.equal(aisha(["config", "check"]).status, 0);
    const wrong = aisha(["config", "check"], { HTTPS_PORT: "x", WELCOME_COINS: "-1", JWT_SECRET: null });
    assert.equal(wrong.status, 1);
    for (const name of ["HTTPS_PORT", "WELCOME_COINS", "JWT_SECRET"]) assert.match(wrong.err, new RegExp(`^${name}: `, "m"));
    assert.equal(aisha(["config", "check", "--json"], { HTTPS_PORT: "x" }).json().mistakes.length, 1);

    const shown = aisha(["config", "show"]);
    const data = aisha(["config", "show", "--json"], { SUPPORT_URL: "https://example.com/a?b=it's" }).json();
    assert.deepEqual(data.SUPPORT_URL, { value: "https://example.com/a?b=it's", source: "environment" });
    assert.equal(data.TELEGRAM_TOKEN.value, "***");
    assert.equal(data.AVATARS_MAX.source, "default");
    assert.match(shown.out, /^AVATARS_MAX=10 +# default$/m);
    for (const name of ["TELEGRAM_TOKEN", "JWT_SECRET", "CALLBACK_SECRET", "FAL_KEY", "MINIO_SECRET_KEY"])
        assert.ok(!shown.out.includes(ground.settings[name]), name);
});

test("a file of settings is read, and a slip in it is named", () => {
    const folder = mkdtempSync(join(tmpdir(), "aisha-cli-"));
    try {
        const file = join(folder, "aisha.env");
        writeFileSync(file, "WELCOME_COINS=77\n");
        const fromFile = { value: "77", source: "file" };
        assert.deepEqual(aisha(["--env", file, "config", "show", "--json"], { WELCOME_COINS: null }).json().WELCOME_COINS, fromFile);
        assert.deepEqual(aisha(["config", "show", "--json"], { AISHA_CONF: file, WELCOME_COINS: null }).json().WELCOME_COINS, fromFile);
        assert.deepEqual(aisha(["--env", file, "config", "show", "--json"], { WELCOME_COINS: 5 }).json().WELCOME_COINS, { value: "5", source: "environment" });
        writeFileSync(file, "WELCOM_COINS=77\n");
        const answer = aisha(["--env", file, "config", "check"]);
        assert.equal(answer.status, 1);
        assert.match(answer.err, /:1: WELCOM_COINS is no setting; did you mean WELCOME_COINS\?/);
    } finally {
        rmSync(folder, { recursive: true });
    }
});

test("coins are credited once to those who exist", async () => {
    const person = await Person.meet(ground);
    await person.start();
    const welcome = Number(ground.settings.WELCOME_COINS ?? 0);

    const first = aisha(["credit", person.id, 250, "--json"]).json();
    assert.equal(first.balance, welcome + 250);
    assert.equal(aisha(["credit", person.id, 250, "--key", first.key, "--json"]).json().credited, 0);
    assert.match(aisha(["credit", person.id, 1]).out, new RegExp(`: 1 coins\\. Balance: ${welcome + 251}\\.`));
    assert.match(aisha(["credit", person.id, 9, "--key", first.key]).err, /That key stands for another credit/);

    for (const [words, wanted] of [
        [[person.id, 0], /no number of coins/], [[person.id, -5], /no number of coins/], [[person.id, 1000001], /no number of coins/],
        [[person.id, "1e3"], /no number of coins/], [["asya", 5], /no Telegram id/], [[1, 5], /Nobody with the Telegram id 1 /],
    ]) {
        const answer = aisha(["credit", ...words]);
        assert.equal(answer.status, 1);
        assert.match(answer.err, wanted);
    }
    const { balance } = await ground.row("select (ledger_balance(id)).balance from users where telegram_id = :id", { id: person.id });
    assert.equal(balance, welcome + 251);
    const audit = await ground.sql("select details from admin_audit where action = 'credit' and telegram_id is null and subject = 'user:' || (select id from users where telegram_id = :id) order by id", { id: person.id });
    assert.deepEqual(audit.map(({ details }) => details.coins), [250, 1]);

    await person.say("/menu");
    await person.see(new RegExp(`${welcome + 251}`));
});

test("the database is reported on", () => {
    const status = aisha(["db", "status"]);
    assert.equal(status.status, 0, status.err);
    assert.match(status.out, /Nothing to deploy/);
    assert.match(aisha(["db", "verify"]).out, /Verify successful/);

    const report = aisha(["db", "report", "--json"]).json();
    assert.deepEqual(report.ledger_problems, []);
    assert.ok(report.rows[0].users >= 1);
    assert.ok(report.tables.some((table) => table.name === "ledger_entries" && table.size_bytes > 0));
    assert.match(aisha(["db", "report"]).out, /ledger: sums to zero/);

    const away = aisha(["db", "report"], { STATUS_DATABASE_URL: "postgresql://aisha_status@/aisha?host=/nowhere" });
    assert.equal(away.status, 1);
    assert.match(away.err, /Does PostgreSQL run/);
});

test("coins are followed from line to line", async () => {
    const person = await Person.meet(ground, { language: "ru" });
    await person.start();
    aisha(["credit", person.id, 100]);
    const key = `cli_test:${person.id}`, subject = randomUUID();
    await ground.sql(`do $$ begin
        perform ledger_hold(${person.rowId}, '${key}', 30, '${subject}', 'image');
        perform ledger_capture('${key}', 10);
    end $$`);

    assert.match(aisha(["ledger", "check"]).out, /^ledger: sums to zero/);
    assert.deepEqual(aisha(["ledger", "check", "--json"]).json(), { problems: [] });

    const statement = aisha(["ledger", "statement", person.id, "--json"]).json();
    const welcome = Number(ground.settings.WELCOME_COINS ?? 0);
    assert.deepEqual({ balance: statement.balance, held: statement.held }, { balance: welcome + 90, held: 0 });
    assert.deepEqual(statement.lines.slice(0, 3).map(({ kind, coins, balance_after: balance, settled }) => [kind, coins, balance, settled]),
        [["capture", 20, welcome + 90, ""], ["hold", -30, welcome + 70, "capture"], ["credit", 100, welcome + 100, ""]]);
    assert.match(aisha(["ledger", "statement", person.id]).out, /hold +image +-30 +\d+ +capture\n/);

    const hold = statement.lines[1].id;
    for (const name of [hold, key, subject]) {
        const { transfers } = aisha(["ledger", "show", name, "--json"]).json();
        assert.deepEqual(transfers.map(({ kind, entries }) => [kind, Object.fromEntries(entries.map(({ account, amount }) => [account, amount]))]),
            [["hold", { user: -30, held: 30 }], ["capture", { held: -30, revenue: 10, user: 20 }]]);
    }
    assert.match(aisha(["ledger", "show", key]).out, new RegExp(`key ${key}, about ${subject}\\n +user +-30\\n`));
    for (const [words, wanted] of [
        [["statement", "asya"], /no Telegram id/], [["statement", 1], /Nobody has the Telegram id 1\./], [["show", "it's"], /no transfer "it's"/],
    ]) {
        const answer = aisha(["ledger", ...words]);
        assert.equal(answer.status, 1);
        assert.match(answer.err, wanted);
    }
});

test("the webhook is set and asked for", () => {
    assert.equal(aisha(["webhook", "set"]).status, 0);
    const info = aisha(["webhook", "info", "--json"]).json();
    assert.equal(info.url, `${ground.settings.PUBLIC_URL}/webhook/telegram`);
    assert.deepEqual(info.allowed_updates, ["message", "callback_query", "pre_checkout_query", "my_chat_member"]);
    assert.match(aisha(["webhook", "info"]).out, /^address +https:/);
    const certificate = join(ground.folder, "tls/cert.pem"), key = join(ground.folder, "tls/key.pem");
    const hasOwn = () => aisha(["webhook", "info", "--json"]).json().has_custom_certificate;
    assert.equal(aisha(["webhook", "set", "--certificate", certificate]).status, 0);
    assert.equal(hasOwn(), true);
    assert.equal(aisha(["webhook", "set"]).status, 0);
    assert.equal(hasOwn(), false);
    assert.match(aisha(["webhook", "set", "--certificate", key]).err, /is not a certificate in PEM/);
    assert.match(aisha(["webhook", "set"], { PUBLIC_URL: "" }).err, /Set PUBLIC_URL/);
    assert.match(aisha(["webhook", "set"], { TELEGRAM_WEBHOOK_SECRET: "" }).err, /refuses every update/);
    assert.match(aisha(["webhook", "info"], { TELEGRAM_TOKEN: "123:AAHxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" }).err, /Is TELEGRAM_TOKEN what BotFather gave\?/);
});

test("the webhook's doctor finds what is wrong, and says it plainly", async () => {
    assert.equal(aisha(["webhook", "set"]).status, 0);
    const verdicts = (report) => Object.fromEntries(report.checks.map(({ name, verdict }) => [name, verdict]));
    const well = aisha(["webhook", "doctor", "--json"]).json();
    const { telegram, "last error": lastError, waiting, "round trip": roundTrip, ...sure } = verdicts(well);
    assert.deepEqual(sure, { address: "ok", updates: "ok", certificate: "ok", door: "ok" });
    for (const verdict of [telegram, waiting, roundTrip]) assert.match(verdict, /^(ok|doubtful)$/); // a busy machine is slow
    assert.ok(lastError);
    assert.match(well.checks.find(({ name }) => name === "certificate").words, /^good for \d+ days$/);
    assert.match(aisha(["webhook", "doctor"]).out, /^ok +address +https:.*\/webhook\/telegram$/m);

    const elsewhere = aisha(["webhook", "doctor", "--json"], { PUBLIC_URL: "https://127.0.0.1:9" });
    assert.equal(elsewhere.status, 1);
    assert.equal(verdicts(elsewhere.json()).address, "wrong");
    assert.equal(verdicts(elsewhere.json())["round trip"], "wrong");
    const stranger = aisha(["webhook", "doctor"], { TELEGRAM_TOKEN: "123:AAHxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" });
    assert.equal(stranger.status, 1);
    assert.match(stranger.out, /^wrong +telegram /m);

    const api = `${ground.settings.TELEGRAM_API_URL}/bot${ground.settings.TELEGRAM_TOKEN}/setWebhook`;
    const setting = { url: `${ground.settings.PUBLIC_URL}/webhook/telegram`, secret_token: ground.settings.TELEGRAM_WEBHOOK_SECRET.split(",")[0], allowed_updates: ["message", "poll"] };
    // Telegram takes one a second.
    await until(async () => (await ground.ask(new URL(api).pathname, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(setting) })).status === 200, "another webhook");
    assert.match(aisha(["webhook", "doctor"]).out, /^wrong +updates +the list lacks callback_query.* has poll beside/m);

    assert.equal(aisha(["webhook", "delete", "--json"]).json().dropped, false);
    assert.match(aisha(["webhook", "doctor"]).out, /^wrong +address +Telegram delivers nowhere/m);
    assert.deepEqual(aisha(["webhook", "set", "--json"]).json(), { url: `${ground.settings.PUBLIC_URL}/webhook/telegram` });
});

test("people are found, seen and locked out", async () => {
    const person = await Person.meet(ground, { language: "en" });
    await person.start();
    const { first_name: name } = await ground.row("select first_name from users where telegram_id = :id", { id: person.id });
    assert.ok(aisha(["user", "find", person.id, "--json"]).json().some((row) => row.telegram_id === person.id));
    assert.ok(aisha(["user", "find", name.toUpperCase(), "--limit", 1000, "--json"]).json().some((row) => row.telegram_id === person.id));
    assert.deepEqual(aisha(["user", "find", name.slice(2), "--json"]).json().filter((row) => row.telegram_id === person.id), [], "only beginnings are found, as on the status page");
    assert.match(aisha(["user", "find", "no%body_like this"]).out, /Nobody is called like that/);

    const seen = aisha(["user", "show", person.id, "--json"]).json();
    assert.deepEqual([seen.telegram_id, seen.first_name, seen.is_blocked, seen.counts.images], [person.id, name, false, 0]);
    assert.equal(seen.balance, Number(ground.settings.WELCOME_COINS ?? 0));
    assert.match(aisha(["user", "show", person.id]).out, new RegExp(`^Telegram id +${person.id}, here \\d+$`, "m"));

    assert.deepEqual(aisha(["user", "block", person.id, "--json"]).json(), { telegram_id: person.id, is_blocked: true, changed: true });
    assert.match(aisha(["user", "block", person.id]).out, /was already blocked/);
    await person.say("/menu");
    await person.see(/Access to this bot is closed/);
    assert.match(aisha(["user", "unblock", person.id]).out, /is not blocked/);
    const before = (await person.messages()).length;
    await person.say("/menu");
    await until(async () => (await person.messages()).length > before, "an answer to somebody who is let in again");
    assert.doesNotMatch((await person.messages()).at(-1).text, /closed/);
    const audit = await ground.sql("select action from admin_audit where subject = 'user:' || (select id from users where telegram_id = :id) order by id", { id: person.id });
    assert.deepEqual(audit.map(({ action }) => action), ["user.block", "user.unblock"]);
    for (const [words, wanted] of [[["show", "asya"], /no Telegram id/], [["block", 1], /aisha user find/], [["find", "x", "--limit", "0"], /--limit "0"/]]) {
        const answer = aisha(["user", ...words]);
        assert.equal(answer.status, 1);
        assert.match(answer.err, wanted);
    }
});

test("jobs are listed, shown, tried again and given up", async () => {
    const person = await Person.meet(ground, { language: "en" });
    await person.start();
    // Nobody takes a job that is due in an hour, and its kind is one that a worker knows.
    const { id } = await ground.row("select nextval(pg_get_serial_sequence('jobs', 'id')) as id");
    await ground.sql(`insert into jobs (id, lane, kind, user_id, run_at) overriding system value
        values (${id}, 'media', 'object_delete', (select id from users where telegram_id = ${person.id}), now() + interval '1 hour')`);
    const listed = aisha(["job", "ls", "--state", "queued", "--lane", "media", "--json"]).json();
    assert.ok(listed.some((job) => job.id === id && job.kind === "object_delete"));
    assert.match(aisha(["job", "ls", "--limit", 10000]).out, new RegExp(`^${id} +media +object_delete +queued`, "m"));
    assert.deepEqual(aisha(["job", "ls", "--state", "cancelled", "--lane", "nowhere", "--json"]).json(), []);
    assert.deepEqual([aisha(["job", "show", id, "--json"]).json()].map((job) => [job.id, job.state, job.payload, job.attempt]), [[id, "queued", {}, 0]]);

    const state = async () => (await ground.row("select state, failures from jobs where id = :id", { id }));
    assert.match(aisha(["job", "giveup", id]).out, /will be buried/);
    await until(async () => (await state()).state === "dead", "a buried job");
    assert.match(aisha(["job", "show", id]).out, /^last_error +an admin gave it up$/m);

    await ground.withoutWorkers(async () => {
        assert.deepEqual(aisha(["job", "retry", id, "--json"]).json(), { id, was: "dead" });
        assert.deepEqual(await state(), { state: "queued", failures: 0 });
        await ground.sql(`update jobs set state = 'dead', finished_at = now() where id = ${id}`);
    });
    assert.match(aisha(["job", "giveup", id]).out, /it is off the list/);
    assert.equal((await state()).state, "cancelled");
    const audit = await ground.sql("select action from admin_audit where subject = 'job:' || :'id' order by id", { id });
    assert.deepEqual(audit.map(({ action }) => action), ["job.giveup", "job.retry", "job.giveup"]);
    for (const [words, wanted] of [[["show", "x"], /no number of a job/], [["show", 999999999], /there is no job/], [["retry", id], /is cancelled\nOnly what waits or is dead/], [["ls", "--state", "lost"], /--state "lost"/]]) {
        const answer = aisha(["job", ...words]);
        assert.equal(answer.status, 1);
        assert.match(answer.err, wanted);
    }
});

const places = `[city]
icon = C
name.ru = Город
name.en = City
[city/cafe]
icon = K
name.ru = Кафе
name.en = Cafes
`;
const template = (id, title) => `[city/cafe/${id}]
icon = T
title.ru = Кофе
title.en = ${title}
description.ru = Столик у окна, чашка и солнце.
description.en = A window table, a cup and the sun.
prompt = A photo of {avatar} at a window table of a small cafe
`;

test("styles are checked, loaded and listed, and what a file has lost is told of", async () => {
    const folder = mkdtempSync(join(tmpdir(), "aisha-cli-"));
    const file = join(folder, "styles.ini");
    const load = (text) => {
        writeFileSync(file, text);
        return aisha(["styles", "load", file, "--json"]);
    };
    try {
        assert.match(aisha(["styles", "check"]).out, /db\/styles\.ini is in order: \d+ templates in \d+ subcategories of \d+ categories\./);
        assert.equal(aisha(["styles", "load"]).status, 0);
        const shipped = aisha(["styles", "list", "--json"]).json();
        assert.ok(shipped.length >= 40);
        assert.ok(new Set(shipped.map(({ place }) => place.split("/")[0])).size >= 6);
        assert.match(aisha(["styles", "list"]).out, /city\/cafe\/morning_coffee +\d+ +\d+ +Morning coffee\n/);
        assert.deepEqual(aisha(["styles", "load", "--json"]).json(), { added: 0, changed: 0, unchanged: shipped.length, retired: 0, removed: 0 });

        const wrong = load(`${places}${template("Coffee", "Coffee")}title.de = Kaffee\n`);
        assert.equal(wrong.status, 1);
        assert.match(wrong.err, /styles\.ini:9: \[city\/cafe\/Coffee\] has a part that is no name.*\n.*styles\.ini:5: \[cafe\] there is no template in it\nNothing was done\./);
        const checked = aisha(["styles", "check", file]);
        assert.equal(checked.status, 1);
        assert.equal(checked.err.trim().split("\n").length, 2);
        assert.equal(aisha(["styles", "check", file, "--json"]).json().ok, false);
        assert.match(aisha(["styles", "check", join(folder, "none.ini")]).err, /none\.ini: No such file/);
        assert.match(aisha(["styles", "load", file, file]).err, /too many arguments/);
        assert.equal(aisha(["styles", "list", "--json"]).json().length, shipped.length, "a file with a mistake changes nothing");

        const person = await Person.meet(ground);
        await person.start();
        await ground.sql(`insert into image_generations (id, user_id, generation_type, original_prompt, price, template_id, status, completed_at)
            values (gen_random_uuid(), ${person.rowId}, 'avatar', 'x', 0, 'morning_coffee', 'completed', now())`);
        const fewer = load(`${places}${template("coffee", "Coffee")}${template("tea", "Tea")}`).json();
        assert.deepEqual(fewer, { added: 2, changed: 0, unchanged: 0, retired: 1, removed: shipped.length - 1 });
        assert.deepEqual(aisha(["styles", "list", "--json"]).json().map(({ id, retired }) => [id, retired]), [["coffee", false], ["tea", false], ["morning_coffee", true]]);
        assert.deepEqual(load(`${places}${template("tea", "Green tea")}`).json(), { added: 0, changed: 1, unchanged: 0, retired: 0, removed: 1 });
        const audit = await ground.sql("select details from admin_audit where action = 'styles.load' order by id desc limit 1");
        assert.deepEqual(audit[0].details, { added: 0, changed: 1, retired: 0, removed: 1 });
        assert.match(aisha(["styles", "load"], { DATABASE_URL: "postgresql://aisha_bot@/aisha?host=/nowhere" }).err, /Does PostgreSQL run/);
    } finally {
        assert.equal(aisha(["styles", "load"]).status, 0);
        rmSync(folder, { recursive: true });
    }
});
