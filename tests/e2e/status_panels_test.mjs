// status_panels_test.mjs - each figure of the status page is one that was planted in the stores; what
// users wrote stays text; what admins change is changed once, and written down. On a ground of its own,
// on which nothing but the test changes anything.
import assert from "node:assert/strict";
import { createHash, createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { openBrowser } from "./lib/browser.mjs";
import { OwnGround, root } from "./lib/ground.mjs";
import { until } from "./lib/until.mjs";

const evil = `<img src=x onerror="document.title='taken'">&amp;'"`;
const axe = readFileSync(`${root}tests/e2e/node_modules/axe-core/axe.min.js`, "utf8");
const uuid = () => randomUUID();
let ground, admin, cookie, csrf, browser, user;

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

async function signIn() {
    const id = uuid(), now = Math.floor(Date.now() / 1000);
    csrf = "c".repeat(32);
    await ground.sql("insert into admin_sessions (id, telegram_id, csrf, expires_at) values (:'id', :admin, :'csrf', now() + interval '1 hour');", { id, admin, csrf });
    const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: admin, sid: id, iat: now, exp: now + 900 })}`;
    return `__Host-aisha=${text}.${createHmac("sha256", ground.settings.JWT_SECRET).update(text).digest("base64url")}`;
}

async function html(path = "/status") {
    const answer = await ground.ask(path, { headers: { Cookie: cookie } });
    assert.equal(answer.status, 200, answer.text);
    return answer.text;
}

function post(path, fields, { with: token = csrf, as = cookie } = {}) {
    return ground.ask(path, { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded", ...(as ? { Cookie: as } : {}) },
        body: new URLSearchParams({ ...(token === null ? {} : { csrf: token }), ...fields }).toString() });
}

const unescaped = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
const words = (markup) => unescaped(markup.replace(/<[^>]*>/g, "")).replaceAll("\u202f", "").trim();
const section = (page, id) => new RegExp(`<section id="${id}"[\\s\\S]*?</section>`).exec(page)?.[0] ?? assert.fail(`no section ${id}`);

// The number of a tile, and what stands below it.
function tile(page, id, title) {
    const found = new RegExp(`<dt>${title}</dt><dd>(.*?)</dd>(?:<dd class="note">(.*?)</dd>)?`).exec(section(page, id));
    assert.ok(found, `no tile ${title} in ${id}`);
    return [words(found[1]), words(found[2] ?? "")];
}

const rowsOf = (page, id) => [...section(page, id).matchAll(/<tr>(<td[\s\S]*?)<\/tr>/g)].map(([, row]) => [...row.matchAll(/<td[^>]*>([\s\S]*?)<\/td>/g)].map(([, cell]) => words(cell)));

async function plant() {
    const people = await ground.sql(`select id from users order by id`);
    assert.deepEqual(people, []);
    await ground.sql(`
        insert into users (telegram_id, first_name, last_name, username, language_code) values
            (70001, :'evil', 'One', 'first_one', 'en'), (70002, 'Bella', null, 'bella', 'ru'), (70003, 'Carl', null, null, 'en');
        insert into user_settings (user_id) select id from users;
        do $$ begin perform ledger_credit((select min(id) from users), 'planted', 1234, 'adjustment', 'operator'); end $$;
        insert into image_generations (id, user_id, generation_type, source_model, original_prompt, price, num_images, status, completed_at, generation_seconds, attempt)
        select gen_random_uuid(), (select min(id) from users), 'imagen4', 'planted-model', :'evil', 5, 1, 'completed', now(), 10 + n, 1 from generate_series(1, 11) n;
        insert into image_generations (id, user_id, generation_type, source_model, original_prompt, price, status, completed_at, failure)
        select gen_random_uuid(), (select min(id) from users), 'imagen4', 'planted-model', 'no', 5, 'failed', now(), 'nsfw' from generate_series(1, 3);
        insert into image_generations (id, user_id, generation_type, source_model, original_prompt, price, num_images, status, attempt, created_at)
        values (gen_random_uuid(), (select min(id) from users), 'imagen4', 'open-model', 'no', 5, 4, 'pending', 2, now() - interval '12 minutes');
        insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes)
        select gen_random_uuid(), id, user_id, 0, 'b', id::text, 'image/png', 1 from image_generations where status = 'completed';
        insert into avatars (id, user_id, name, gender, training_type, status, photos_count)
        values (gen_random_uuid(), (select min(id) from users), 'Planted', 'female', 'portrait', 'training', 10);
        insert into avatar_trainings (id, avatar_id, user_id, chat_id, language, training_type, source_model, preset, price, photos_count, status, progress, attempt, submitted_at)
        select gen_random_uuid(), id, user_id, 70001, 'en', 'portrait', 'm', 'quality', 150, 10, 'processing', 37, 3, now() from avatars;
        insert into jobs (lane, kind, run_at) select 'words', 'planted_due', now() - interval '95 seconds' from generate_series(1, 6);
        insert into jobs (lane, kind, run_at) select 'words', 'planted_later', now() + interval '1 hour' from generate_series(1, 4);
        insert into jobs (lane, kind, state, leased_until, started_at, worker, attempt)
        values ('speech', 'planted_run', 'running', now() + interval '1 minute', now() - interval '4 seconds', 'w:1', 2);
        insert into jobs (lane, kind, state, finished_at, last_error, failures, user_id)
        values ('media', :'evil', 'dead', now(), :'evil', 5, (select min(id) from users));
        insert into parked_updates (bot_id, update_id, body_sha256, body, reason, attempts) values (1, 4711, sha256('x'), 'x', :'evil', 4);
        insert into counters (name, value) values ('planted_event', 17);
        insert into spend_days (day, kind, calls, microdollars) values
            ((now() at time zone 'UTC')::date, 'planted/model', 21, 3450000), ((now() at time zone 'UTC')::date - 1, 'planted/model', 8, 990000);
        insert into payments (id, charge_id, currency, stars, coins, payload, state) values
            (gen_random_uuid(), 'c1', 'XTR', 61, 60, 'p', 'credited'), (gen_random_uuid(), 'c2', 'XTR', 7, 0, 'p', 'unmatched');
        insert into payment_differences (charge_id, kind, stars_there) values ('c3', 'not_here', 5);
        insert into workers (name, host, pid, release, lanes) values (:'evil', 'h', 1, 'v-planted', '{send,fal}');
        insert into parties (name, ok_at) values ('telegram', now());
        insert into parties (name, failed_at, error) values ('fal', now(), :'evil');
        insert into summaries (name, value) values
            ('ledger', '[{"kind":"user","accounts":3,"balance":1234},{"kind":"adjustment","accounts":1,"balance":-1234}]'),
            ('users', '{"everybody":31,"blocked":2,"unreachable":1}'),
            ('ledger_check', '{"problems":0,"first":""}'),
            ('webhook', '{"url":"https://planted.example/webhook/telegram","pending_update_count":23,"max_connections":40,"last_error_message":"planted refusal","last_error_date":1}');
        insert into admin_audit (telegram_id, action, subject, details) values (null, 'planted.action', :'evil', '{"planted":"details"}');
    `, { evil });
    user = (await ground.row("select min(id) as id from users")).id;
    const minute = Math.floor(Date.now() / 60000);
    for (const [back, field, value] of [[3, 'aisha_updates_total{kind="tap",outcome="done"}', 90], [3, 'aisha_updates_total{kind="tap",outcome="failed"}', 10],
        [40, 'aisha_updates_total{kind="message",outcome="done"}', 20], [40, 'aisha_updates_total{kind="message",outcome="repeated"}', 5],
        [3, 'aisha_update_duration_seconds{kind="tap"} 0.01', 90], [3, 'aisha_update_duration_seconds{kind="tap"} 0.5', 9], [3, 'aisha_update_duration_seconds{kind="tap"} 2', 1]])
        await ground.redis("hincrby", `minute:{metrics}:${minute - back}`, field, value);
    for (let i = 0; i < 3; i++) await ground.redis("xadd", "out:{b07}", "*", "call", "{}", "chat", 7);
    for (let i = 0; i < 2; i++) await ground.redis("xadd", "ans:{b09}", "*", "call", "{}", "chat", 9);
}

before(async () => {
    ground = await OwnGround.start("panels", { only: "postgres redis nginx bot", settings: { DAILY_SPEND_LIMIT: "5" } });
    admin = Number(ground.settings.TELEGRAM_ADMIN_IDS.split(",")[0]);
    cookie = await signIn();
    await plant();
    browser = await openBrowser();
});

after(async () => {
    await browser?.close();
    await ground?.end();
});

test("each figure of the overview is the planted one", async () => {
    const page = await html();
    assert.deepEqual(tile(page, "today", "Images"), ["11", "15 orders, 3 failed"]);
    assert.deepEqual(tile(page, "today", "Median wait"), ["16 s", "order to stored image"]);
    assert.equal(tile(page, "today", "p95 wait")[0], "20 s");
    assert.equal(tile(page, "today", "Open orders")[0], "1");
    assert.deepEqual(tile(page, "today", "Users"), ["31", "3 new in 24 h"]);
    assert.match(section(page, "hours"), /11 in all, at most 11 in an hour/);

    assert.deepEqual(tile(page, "updates", "Updates"), ["125", "2.1 a minute"]);
    assert.deepEqual(tile(page, "updates", "Errors"), ["10", "0.2 a minute"]);
    assert.equal(tile(page, "updates", "p50")[0], "7.8 ms");
    assert.equal(tile(page, "updates", "p95")[0], "366.7 ms");
    assert.equal(tile(page, "updates", "p99")[0], "500.0 ms");
    assert.match(section(page, "updates"), /<title>\d+ min ago: 100 updates, 10 errors<\/title>/);

    const queues = Object.fromEntries(rowsOf(page, "queues").map(([lane, ...cells]) => [lane, cells]));
    assert.deepEqual(queues.words, ["6", "1 min", "4", "0", "0"]);
    assert.deepEqual(queues.speech.slice(3), ["1", "0"]);
    assert.equal(queues.media[4], "1");
    assert.equal(tile(page, "outbox", "Calls waiting")[0], "3");
    assert.equal(tile(page, "outbox", "Taps to answer")[0], "2");

    const [order] = rowsOf(page, "orders");
    assert.deepEqual(order.slice(1, 7), [String(user), "open-model", "4", "pending", "2", "12 min"]);
    const [training] = rowsOf(page, "trainings");
    assert.deepEqual(training.slice(1, 7), [String(user), "portrait", "quality", "processing", "37 %", "3"]);
    const [running] = rowsOf(page, "running");
    assert.deepEqual(running.slice(1, 5), ["speech", "planted_run", "w:1", "2"]);
    const [dead] = rowsOf(page, "dead");
    assert.deepEqual(dead.slice(1, 3), ["media", evil]);
    assert.deepEqual(dead.slice(4, 7), [String(user), "5", evil]);
    const [parked] = rowsOf(page, "parked");
    assert.deepEqual([parked[1], parked[3], parked[4]], ["4711", evil, "4"]);
    assert.deepEqual(rowsOf(page, "counters").map(([name, times]) => [name, times]), [["planted_event", "17"]]);

    assert.deepEqual(rowsOf(page, "coins").map(([title, , coins]) => [title, coins]),
        [["In the hands of users", "1234"], ["Credited by admins", "\u22121234"], ["Sum", "0"]]);
    assert.match(section(page, "coins"), /every balance fits its entries/);
    assert.equal(tile(page, "spend", "Submitted")[0], "$3.45");
    assert.deepEqual(tile(page, "spend", "Limit"), ["$5.00", "69 % of it used"]);
    assert.deepEqual(rowsOf(page, "spend")[0], ["planted/model", "21", "$3.45"]);
    assert.deepEqual(rowsOf(page, "spend")[1].slice(1), ["8", "$0.99"]);
    assert.deepEqual(tile(page, "payments", "Stars today"), ["68", "2 payments since 00:00 UTC"]);
    assert.equal(tile(page, "payments", "Unmatched")[0], "1");
    assert.equal(tile(page, "payments", "Different at Telegram")[0], "1");

    const health = Object.fromEntries(rowsOf(page, "health").map(([name, state, detail]) => [name, [state, detail]]));
    assert.match(health.Webhook[1], /^https:\/\/planted\.example\/webhook\/telegram · 23 updates wait · at most 40 connections · last error .* ago: planted refusal/);
    assert.match(health.FAL[1], /last failed .* ago: /);
    assert.match(health.FAL[0], /Down/);
    assert.match(health.Telegram[0], /OK/);
    assert.match(health[`Worker ${evil}`][1], /release v-planted · lanes send,fal/);
    assert.match(health.PostgreSQL[1], /answers in [\d.]+ ms/);
    assert.match(health.Redis[1], /answers in [\d.]+ ms/);
});

test("a figure that changes in the store changes on the page", async () => {
    await ground.sql("update summaries set value = '{\"problems\":3,\"first\":\"a planted problem\"}' where name = 'ledger_check'; update counters set value = 18;");
    const page = await html();
    assert.match(page, /The ledger has 3 problems, the first: a planted problem/);
    assert.deepEqual(rowsOf(page, "counters")[0].slice(0, 2), ["planted_event", "18"]);
    await ground.sql("update summaries set value = '{\"problems\":0,\"first\":\"\"}' where name = 'ledger_check';");
});

test("a user is found, and everything of him is his", async () => {
    assert.equal(rowsOf(await html("/status/users"), "users").length, 3);
    for (const [wanted, ids] of [["bel", ["70002"]], ["@first_o", ["70001"]], ["70003", ["70003"]], ["Carl", ["70003"]], ["%", []], ["ne", []], ["ONE", ["70001"]], [`${evil} On`, ["70001"]], ["_", []], ["@", ["70003", "70002", "70001"]], [evil.slice(0, 9), ["70001"]]])
        assert.deepEqual(/class="none"/.test(section(await html(`/status/users?q=${encodeURIComponent(wanted)}`), "users")) ? []
            : rowsOf(await html(`/status/users?q=${encodeURIComponent(wanted)}`), "users").map((cells) => cells[2]), ids, wanted);

    const page = await html(`/status/user?id=${user}`);
    assert.deepEqual(tile(page, "user", "Coins"), ["1234", "0 held"]);
    assert.equal(tile(page, "user", "Images")[0], "11");
    assert.equal(tile(page, "user", "Avatars")[0], "1");
    assert.deepEqual(tile(page, "user", "Open jobs"), ["0", "1 given up"]);
    assert.deepEqual(rowsOf(page, "statement")[0].slice(1), ["credit", "operator", "1234", "1234"]);
    assert.equal(rowsOf(page, "orders").length, 10);
    assert.equal(rowsOf(page, "jobs")[0][3], "dead");
    for (const id of ["0", "-1", "x", "999999", ""]) assert.equal((await ground.ask(`/status/user?id=${id}`, { headers: { Cookie: cookie } })).status, 404);
});

test("coins are credited once for each form, and written down", async () => {
    const page = await html(`/status/user?id=${user}`);
    const key = /name="key" value="([0-9a-f-]{36})"/.exec(page)[1];
    const first = await post("/status/user/credit", { id: user, key, coins: "66" });
    assert.equal(first.status, 303);
    assert.equal(first.headers.location, `/status/user?id=${user}&said=credited`);
    assert.match(await html(first.headers.location), /The coins are credited\./);
    assert.match((await post("/status/user/credit", { id: user, key, coins: "66" })).headers.location, /said=credited_yet$/);
    assert.deepEqual(await ground.row(`select balance::int from ledger_balance(${user})`), { balance: 1300 });
    assert.match((await post("/status/user/credit", { id: user, key, coins: "67" })).headers.location, /said=spent_form$/, "the same form, with other coins");
    assert.deepEqual(await ground.row(`select balance::int from ledger_balance(${user})`), { balance: 1300 });
    for (const coins of ["0", "-5", "1000001", "x", "", "1.5"])
        assert.match((await post("/status/user/credit", { id: user, key: uuid(), coins })).headers.location, /said=bad_coins$/, coins);
    assert.match((await post("/status/user/credit", { id: 999999, key: uuid(), coins: "5" })).headers.location, /said=no_user$/);
    assert.deepEqual(await ground.row(`select balance::int from ledger_balance(${user})`), { balance: 1300 });
    const entries = await ground.sql(`select telegram_id::int, action, subject, (details->>'coins')::int as coins from admin_audit where action = 'credit'`);
    assert.deepEqual(entries, [{ telegram_id: admin, action: "credit", subject: `user:${user}`, coins: 66 }]);
});

test("a user is blocked and let in again", async () => {
    for (const [block, said] of [["yes", "blocked"], ["yes", "unchanged"], ["no", "unblocked"]])
        assert.match((await post("/status/user/block", { id: user, block })).headers.location, new RegExp(`said=${said}$`));
    const entries = await ground.sql("select action from admin_audit where action like 'user.%' order by id");
    assert.deepEqual(entries.map(({ action }) => action), ["user.block", "user.unblock"]);
});

test("a dead job is queued again, or taken off the list", async () => {
    const { id } = await ground.row("select id from jobs where state = 'dead'");
    assert.match((await post("/status/jobs/retry", { id })).headers.location, /^\/status\?said=retried$/);
    assert.deepEqual(await ground.row(`select state, failures from jobs where id = ${id}`), { state: "queued", failures: 0 });
    assert.match((await post("/status/jobs/giveup", { id, user })).headers.location, new RegExp(`^/status/user\\?id=${user}&said=given_up$`));
    assert.ok((await ground.row(`select failures from jobs where id = ${id}`)).failures >= 5, "a worker buries it");
    await ground.sql(`update jobs set state = 'dead', finished_at = now() where id = ${id};`);
    await post("/status/jobs/giveup", { id });
    assert.deepEqual(await ground.row(`select state from jobs where id = ${id}`), { state: "cancelled" });
    for (const wrong of [id, 999999, "x", ""]) assert.match((await post("/status/jobs/retry", { id: wrong })).headers.location, /said=no_job$/);
    assert.deepEqual((await ground.sql("select action from admin_audit where action like 'job.%' order by id")).map(({ action }) => action), ["job.retry", "job.giveup", "job.giveup"]);
});

test("a promo code is made within its limits, and stopped", async () => {
    const terms = { code: "planted-1", kind: "percent", amount: "25", limit: "10", per_user: "2", from: "2026-01-01", until: "2030-12-31" };
    assert.match((await post("/status/promos/make", terms)).headers.location, /said=promo_made$/);
    assert.match((await post("/status/promos/make", terms)).headers.location, /said=promo_known$/);
    for (const wrong of [{ code: "ab" }, { code: "<b>x</b>" }, { kind: "gift" }, { amount: "0" }, { amount: "1001" }, { limit: "-1" }, { per_user: "x" }, { from: "2026-06-31" }, { from: "2031-01-01" }, { until: "soon" }])
        assert.match((await post("/status/promos/make", { ...terms, code: "OTHER", ...wrong })).headers.location, /said=bad_promo$/, JSON.stringify(wrong));
    assert.deepEqual(rowsOf(await html("/status/promos"), "promos").map((cells) => cells.slice(0, 8)), [["PLANTED-1", "+25 %", "0", "10", "2", "2026-01-01", "2030-12-31", "open"]]);
    await ground.sql("insert into promo_codes (code, type, balance_amount, created_by) select 'MANY-' || n, 'balance', 5, 'operator' from generate_series(1, 101) n;");
    const newest = await html("/status/promos");
    assert.deepEqual([rowsOf(newest, "promos").length, rowsOf(newest, "promos")[0][0]], [100, "MANY-101"]);
    const older = /href="(\/status\/promos\?before=\d+)">Older codes</.exec(newest)[1];
    assert.deepEqual(rowsOf(await html(older), "promos").map(([code]) => code), ["MANY-1", "PLANTED-1"]);
    assert.deepEqual(rowsOf(await html("/status/promos?q=planted-1"), "promos").map(([code]) => code), ["PLANTED-1"]);
    for (const none of ["NOBODY", "x", "<b>", "%"]) assert.match(section(await html(`/status/promos?q=${encodeURIComponent(none)}`), "promos"), /class="none"/, none);
    await ground.sql("delete from promo_codes where code like 'MANY-%';");
    assert.match((await post("/status/promos/stop", { code: "PLANTED-1" })).headers.location, /said=stopped$/);
    assert.match((await post("/status/promos/stop", { code: "PLANTED-1" })).headers.location, /said=unchanged$/);
    assert.match((await post("/status/promos/stop", { code: "NOBODY" })).headers.location, /said=no_promo$/);
    assert.equal(rowsOf(await html("/status/promos"), "promos")[0][7], "stopped");
});

test("the audit log tells who did what", async () => {
    const entries = rowsOf(await html("/status/audit"), "audit");
    assert.ok(entries.some(([, who, what, subject, details]) => who === "operator" && what === "planted.action" && subject === evil && details === '{"planted": "details"}'));
    assert.ok(entries.some(([, who, what]) => who === `admin ${admin}` && what === "promo.stop"));
});

test("nothing is changed without the token of the session, by a stranger, or by looking", async () => {
    const actions = { "/status/jobs/retry": { id: 1 }, "/status/jobs/giveup": { id: 1 }, "/status/user/credit": { id: user, key: uuid(), coins: 5 },
        "/status/user/block": { id: user, block: "yes" }, "/status/promos/make": { code: "STOLEN", kind: "balance", amount: 5, limit: 0, per_user: 1 }, "/status/promos/stop": { code: "PLANTED-1" } };
    const count = () => ground.row("select count(*)::int as entries from admin_audit");
    const before = await count();
    for (const [path, fields] of Object.entries(actions)) {
        for (const token of [null, "", "0".repeat(32), `${csrf}0`]) assert.equal((await post(path, fields, { with: token })).status, 403, `${path} with ${token}`);
        assert.equal((await post(path, fields, { as: null })).status, 401, path);
        assert.equal((await ground.ask(path, { headers: { Cookie: cookie } })).status, 405, path);
    }
    for (const path of ["/status/users", `/status/user?id=${user}`, "/status/promos", "/status/audit"]) assert.equal((await ground.ask(path)).status, 401, path);
    assert.deepEqual(await count(), before);
});

// ---------------------------------------------------------------- Telegram Login

function told(fields, token = ground.settings.TELEGRAM_TOKEN) {
    const text = Object.keys(fields).sort().map((name) => `${name}=${fields[name]}`).join("\n");
    return { ...fields, hash: createHmac("sha256", createHash("sha256").update(token).digest()).update(text).digest("hex") };
}

test("Telegram's word opens a session, once, and only when it is fresh, whole and of an admin", async () => {
    const now = Math.floor(Date.now() / 1000);
    const good = told({ id: admin, first_name: "Ася & Co", username: "asya", auth_date: now });
    const login = (fields) => post("/status/login/telegram", fields, { with: null, as: null });
    for (const [what, fields] of Object.entries({
        "another token": told({ id: admin, first_name: "A", auth_date: now }, "1:x"), "changed": { ...good, first_name: "B" },
        "stale": told({ id: admin, first_name: "A", auth_date: now - 301 }), "of the future": told({ id: admin, first_name: "A", auth_date: now + 120 }),
        "a stranger": told({ id: admin + 1, first_name: "A", auth_date: now }), "nothing": {},
    })) {
        const answer = await login(fields);
        assert.equal(answer.status, 403, what);
        assert.equal(answer.headers["set-cookie"], undefined, what);
    }
    assert.equal((await ground.ask(`/status/login/telegram?${new URLSearchParams(good)}`)).status, 200, "looking does not use it");
    const first = await login(good);
    assert.equal(first.status, 303);
    assert.match(first.headers["set-cookie"][0], /^__Host-aisha=.*; Secure; HttpOnly; SameSite=Strict$/);
    const own = first.headers["set-cookie"][0].split(";")[0];
    assert.equal((await ground.ask("/status", { headers: { Cookie: own } })).status, 200);
    assert.equal((await login(good)).status, 403, "replayed");
});

// ---------------------------------------------------------------- in the browser

async function open(path, { width = 1280, scheme = "light", script = true } = {}) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, ignoreHTTPSErrors: true, javaScriptEnabled: script });
    const [name, ...value] = cookie.split("=");
    await context.addCookies([{ name, value: value.join("="), url: ground.origin, secure: true, httpOnly: true, sameSite: "Strict" }]);
    const page = await context.newPage();
    page.complaints = [];
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && page.complaints.push(message.text()));
    await page.goto(`${ground.origin}${path}`);
    return page;
}

// axe-core is put in by the driver, which no policy of the page forbids.
async function violations(page) {
    await page.evaluate(axe);
    const { violations: found } = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    return found.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)} ${node.failureSummary.slice(0, 200)}`));
}

test("every page is accessible, light and dark, on a telephone and a desk, and runs nothing that a user wrote", async () => {
    await ground.sql(`insert into jobs (lane, kind, state, finished_at, last_error, user_id) values ('media', 'shown', 'dead', now(), 'why', ${user});`);
    for (const path of ["/status", "/status/users", `/status/user?id=${user}`, "/status/promos", "/status/audit", "/status/login?token=x", "/status/login/telegram?id=1", "/status?said=no_job"]) {
        for (const [width, scheme] of [[1280, "light"], [390, "dark"]]) {
            const page = await open(path, { width, scheme });
            assert.deepEqual(await violations(page), [], `${path} ${scheme} ${width}`);
            assert.deepEqual(page.complaints, [], path);
            assert.notEqual(await page.title(), "taken", path);
            const wide = await page.locator("body *").evaluateAll((all) => all.filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5 && !one.closest(".unseen")).map((one) => one.outerHTML.slice(0, 80)));
            assert.deepEqual(wide, [], `${path} is as wide as the screen`);
            if (process.env.SCREENS) await page.screenshot({ path: `${process.env.SCREENS}/status${path.replace(/\W+/g, "-")}-${scheme}-${width}.png`, fullPage: true });
            await page.context().close();
        }
    }
});

test("without scripts a job is retried, and coins are credited", async () => {
    const page = await open("/status", { script: false });
    await page.getByRole("button", { name: /^Retry job/ }).first().click();
    await page.getByText("The job is queued again.").waitFor();
    await page.goto(`${ground.origin}/status/user?id=${user}`);
    await page.getByLabel("Coins to credit").fill("10");
    await page.getByRole("button", { name: "Credit" }).click();
    await page.getByText("The coins are credited.").waitFor();
    await page.context().close();
});

test("Telegram's fragment signs in by the button", async () => {
    const fields = told({ id: admin, first_name: "Ася", auth_date: Math.floor(Date.now() / 1000) });
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(`${ground.origin}/status/login/telegram#tgAuthResult=${Buffer.from(JSON.stringify(fields)).toString("base64url")}`);
    await until(async () => (await page.locator('input[name="hash"]').count()) === 1, "the fields of the form");
    assert.ok(!page.url().includes("tgAuthResult"), "what was told does not stay in the address");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${ground.origin}/status`);
    await context.close();
});
