// faults_test.mjs - kill, stop, cut off and fill up, then count what was lost.
//
// A ground of its own in build/faults. People send updates and orders; one
// fault follows another while they do. Afterwards everything that was
// acknowledged must have had its effect, once. SOAK=1 is the long form
// (`make soak`): the same plan with more of everything and outages of a minute.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Faults } from "./faults.mjs";
import { commitScriptSha, Ground, until } from "./ground.mjs";
import { adminIds, albumPhotos, byToken, linkToken, Mix, price, sha256, trainingPrice } from "./mix.mjs";

const isLong = Boolean(process.env.SOAK);
const number = (name, short, long) => Number(process.env[name] ?? (isLong ? long : short));
const size = {
    updates: number("FAULT_UPDATES", 1500, 20000),
    orders: number("FAULT_ORDERS", 60, 500),
    sitters: number("FAULT_SITTERS", 6, 40), // who have an avatar made
    between: number("FAULT_BETWEEN", 6, 24),
    rounds: number("FAULT_ROUNDS", 1, 6), // of the other kills, six in each
    seconds: number("FAULT_SECONDS", 3, 60),
    settle: number("FAULT_SETTLE", 420, 1200),
    pace: number("FAULT_PACE", 100, 50), // messages a second; Telegram takes 30, which would take longer than the faults do
};
const parties = ["PostgreSQL", "Redis", "S3", "FAL", "Telegram"];
const welcome = 1000000;
let ground, mix, faults, messages;
const shownTwice = new Map(); // name of a fault -> messages

const say = (...words) => console.log(`# ${words.join(" ")}`);
const mode = () => /build\/(\w+)$/.exec(process.env.BUILD ?? "build/debug")[1];

// Kills and outages in turn, so that each meets another state of things.
function plan() {
    const kills = [];
    for (let i = 0; i < size.between; i++) kills.push((feed) => faults.betweenCommits(feed));
    const others = [
        (feed) => faults.bot(feed),
        (feed) => faults.service("worker-1", feed),
        (feed) => faults.service("redis", feed),
        (feed) => faults.backend(feed),
        (feed) => faults.service("worker-2", feed),
        (feed) => faults.service("photo", feed),
        (feed) => faults.service("postgres", feed),
    ];
    const outages = parties.flatMap((party) => ["refused", "silent"].map((how) =>
        (feed) => faults.away(party, how, size.seconds, feed)));
    const rest = [...Array(size.rounds).fill(others).flat(), ...outages];
    const steps = [];
    for (let i = 0; i < Math.max(kills.length, rest.length); i++) steps.push(rest[i], kills[i]);
    return steps.filter(Boolean);
}

// An outage gets its share of updates over its whole length, a kill gets them all at once.
async function runPlan() {
    const steps = plan();
    const share = Math.ceil(size.updates / steps.length);
    for (const [i, step] of steps.entries()) {
        mix.allowed += Math.ceil(size.orders / steps.length);
        await step((part = 1) => mix.feed(Math.round(share * part)));
        // Telegram drops a tap that is not taken within 150 s, so two outages never meet the same one.
        const most = faults.events.at(-1).seconds ? 1 : share;
        await until(async () => (await mix.pending()).pending < most, "the queue gets shorter", size.settle);
        if (isLong) say(`step ${i + 1} of ${steps.length}: ${faults.events.at(-1).name}`);
    }
}

// Streams hold what was not sent yet.
async function queuedCalls() {
    let sum = 0;
    for (const key of (await ground.redis("--scan", "--pattern", "*:{b*}")).split("\n").filter((name) => /^(out|ans):/.test(name)))
        sum += Number(await ground.redis("XLEN", key));
    return sum;
}

async function isQuiet() {
    if ((await mix.pending()).pending > 0) return false;
    const [row] = await ground.sql(`select (select count(*) from jobs where state in ('queued', 'running')) as jobs,
        (select count(*) from image_generations where status in ('pending', 'processing'))
            + (select count(*) from avatar_trainings where status in ('pending', 'processing'))
            + (select count(*) from avatar_photos where validation_status = 'pending') as open`);
    return row.jobs === 0 && row.open === 0 && await queuedCalls() === 0;
}

before(async () => {
    ground = new Ground(process.env.FAULT_GROUND ?? "faults", {
        mode: mode(),
        settings: {
            TELEGRAM_ADMIN_IDS: adminIds.join(","), FLOOD_LIMIT_PER_MINUTE: 100000, IMAGEN4_GENERATION_COST: price, WELCOME_COINS: welcome,
            IMAGE_GENERATION_COST: price, AVATAR_CREATION_COST: trainingPrice, AVATAR_MIN_PHOTOS: albumPhotos, DELETE_PHOTOS_AFTER_TRAINING: false,
            SEND_MESSAGES_PER_SECOND: size.pace, SEND_CHAT_MESSAGES_PER_SECOND: 100,
        },
    });
    await ground.start();
    mix = new Mix(ground, { orders: size.orders, sitters: size.sitters, retryScale: isLong ? 0.1 : 0.02 });
    faults = new Faults(ground, mix);
    await mix.prepare();
    assert.equal(await ground.redis("SCRIPT", "EXISTS", commitScriptSha), "1", "the script that is to be held is the one that runs");
});

after(async () => {
    await mix?.end();
    await ground?.stop();
});

test("faults one after another, and then rest", async () => {
    const began = Date.now();
    mix.startOrders();
    await runPlan();
    say(`all faults over after ${Math.round((Date.now() - began) / 1000)} s`);
    await mix.over(size.settle);
    await until(isQuiet, "no update pending, no job, no open order, no call waiting", size.settle);
    say(`all at rest after ${Math.round((Date.now() - began) / 1000)} s`);
    await mix.watch();
    messages = await mix.messages();
});

test("the kills hit what they were meant for", () => {
    const table = new Map();
    for (const event of faults.events) {
        const row = table.get(event.name) ?? { times: 0, kills: 0, between: 0, ms: [] };
        table.set(event.name, { times: row.times + 1, kills: row.kills + event.kills, between: row.between + event.between, ms: [...row.ms, event.to - event.from] });
    }
    say("what                           times  kills  between  longest until all ran again");
    for (const [name, row] of table)
        say(name.padEnd(30), String(row.times).padStart(5), String(row.kills).padStart(6), String(row.between).padStart(8), `${Math.max(...row.ms)} ms`.padStart(12));
    const kills = faults.events.reduce((sum, event) => sum + event.kills, 0);
    const between = faults.events.reduce((sum, event) => sum + event.between, 0);
    say(`${kills} kills, ${between} of them between the commit of PostgreSQL and that of Redis`);
    assert.ok(between >= size.between * 0.8, `${between} kills between the commits`);
});

test("every update was delivered, none expired, none was parked", async () => {
    const counts = await ground.control("counts");
    say(`${mix.posted} updates: ${counts.delivered} acknowledged, ${counts.failed_deliveries} deliveries repeated, ${counts.expired} expired`);
    const [{ turns }] = await ground.sql("select count(*) as turns from turns");
    say(`${turns} of them wrote (${Math.round((turns / mix.posted) * 100)} %); of the mix: ${JSON.stringify(mix.sent)}`);
    assert.equal(counts.expired, 0);
    assert.equal(counts.delivered, mix.posted);
    assert.deepEqual(await ground.sql("select update_id, reason from parked_updates"), []);
});

// A second message needs a fault between it and the first, or shortly before both: what was queued
// twice because nobody knew whether Redis had it is sent when the worker has caught up.
const wakeMs = 30000;
function causeOf(first, last) {
    const near = (wake) => faults.events.filter((event) => !event.name.startsWith("bot") && event.from <= last && event.to + wake >= first);
    return near(0).find((event) => /worker|redis|Redis|Telegram/.test(event.name)) ?? near(0)[0] ?? near(wakeMs).at(-1);
}

function doubled(groups, what) {
    const twice = [...groups].filter(([, group]) => group.length > 1);
    const unexplained = [];
    for (const [token, group] of twice) {
        const times = group.map((message) => mix.calls.sentAt.get(message.message_id)).sort((a, b) => a - b);
        const cause = causeOf(times[0], times.at(-1));
        say(`shown twice: ${what} ${token.slice(0, 24)}: ${cause?.name ?? "no fault was near"}, ${times.at(-1) - times[0]} ms apart`);
        if (cause) shownTwice.set(cause.name, (shownTwice.get(cause.name) ?? 0) + group.length - 1);
        else unexplained.push(token);
    }
    say(`${what}: ${groups.size} effects seen, ${twice.length} of them more than once`);
    assert.deepEqual(unexplained, []);
    return twice.length;
}

test("words: every token is on exactly one screen", () => {
    const groups = byToken(messages, (message) => /token (w-\d+-)/.exec(message.text)?.[1]);
    const missing = Array.from({ length: mix.sent.words }, (_, i) => `w-${i}-`).filter((token) => !groups.has(token));
    assert.deepEqual(missing, []);
    doubled(groups, "words");
});

test("admin links: one row and one message for every update", async () => {
    const groups = byToken(messages, linkToken);
    const rows = await ground.sql("select encode(token_sha256, 'hex') as hash from admin_links");
    assert.equal(rows.length, mix.sent.admin);
    const hashes = new Set(rows.map((row) => row.hash));
    assert.deepEqual([...groups.keys()].filter((token) => !hashes.has(sha256(token))), [], "a link that leads nowhere");
    assert.equal(groups.size, mix.sent.admin);
    doubled(groups, "admin link");
});

test("settings: the last language stands, favourites are as often as they were tapped", async () => {
    const languages = await ground.sql(`select telegram_id, language_code as language from users where telegram_id in (${[0, ...mix.language.keys()]})`);
    for (const { telegram_id, language } of languages) assert.equal(language, mix.language.get(telegram_id), `language of ${telegram_id}`);
    const images = await ground.sql(`select u.telegram_id, i.is_favorite from images i join users u on u.id = i.user_id where u.telegram_id in (${[0, ...mix.toggles.keys()]})`);
    for (const { telegram_id, is_favorite } of images)
        assert.equal(is_favorite, mix.toggles.get(telegram_id) % 2 === 1, `favourite of ${telegram_id} after ${mix.toggles.get(telegram_id)} taps`);
    const turns = await ground.sql(`select count(*) as rows, count(distinct (bot_id, update_id)) as updates from turns`);
    assert.equal(turns[0].rows, turns[0].updates);
});

test("orders: delivered and paid, or explained and given back", async () => {
    const rows = await ground.sql(`select g.id, g.original_prompt as words, g.status, g.failure, g.num_images, g.attempt, g.price,
        (select count(*) from images i where i.generation_id = g.id) as images,
        (select json_agg(t.kind order by t.id) from ledger_transfers t where t.subject = g.id) as transfers
        from image_generations g where g.original_prompt ~ '(o-\\d+|f-\\d+-\\d+)-\\.$'`);
    assert.equal(rows.length, size.orders + mix.drawn());
    const tokenOf = (text) => /((?:o-\d+|f-\d+-\d+)-)\./.exec(text ?? "")?.[1];
    const groups = byToken(messages, (message) => tokenOf(message.text));
    const results = new Map();
    let completed = 0, failed = 0, left = 0;
    for (const row of rows) {
        const token = tokenOf(row.words);
        const seen = groups.get(token) ?? [];
        const where = JSON.stringify({ ...row, seen: seen.map((message) => message.text.slice(0, 40)) });
        if (row.status === "completed") {
            completed++;
            assert.equal(row.images, row.num_images, where);
            assert.deepEqual(row.transfers, ["hold", "capture"], where);
            const result = seen.filter((message) => message.text.startsWith("✨"));
            assert.ok(result.length >= 1, `delivered: ${where}`);
            results.set(token, result);
            const more = seen.filter((message) => !result.includes(message));
            for (const message of more) say(`left standing: ${message.text.split("\n")[0]} ${token} ${message.message_id}`);
            left += more.length;
        } else {
            failed++;
            assert.ok(["failed", "cancelled"].includes(row.status), where);
            assert.deepEqual(row.transfers, ["hold", "release"], where);
            assert.ok(seen.some((message) => /coins are back/.test(message.text)), `explained: ${where}`);
        }
    }
    const submissions = rows.reduce((sum, row) => sum + row.attempt, 0);
    say(`${rows.length} orders: ${completed} delivered, ${failed} given back; ${submissions - rows.length} submissions repeated; ${left} progress messages left standing`);
    const unwanted = rows.filter((row) => row.status !== "completed" && !row.words.includes("[unsafe]"));
    for (const row of unwanted) say(`given back without being unsafe: ${row.words} ${row.failure}`);
    doubled(results, "result");
});

test("photos: every one that was sent has one row and was kept", async () => {
    const rows = await ground.sql(`select u.telegram_id as user, p.message_id, p.validation_status as status, p.validation_error as error
        from avatar_photos p join users u on u.id = p.user_id`);
    const name = ({ user, message_id }) => `${user} ${message_id}`;
    assert.deepEqual(rows.map(name).sort(), mix.photos.map(name).sort());
    assert.deepEqual(rows.filter((row) => row.status !== "valid"), []);
    assert.deepEqual(await ground.sql("select object_key from avatar_photos group by object_key having count(*) > 1"), []);
    say(`${rows.length} photos in ${size.sitters} albums, all kept once`);
});

test("trainings: one for each avatar, paid once, its files there, and told", async () => {
    const rows = await ground.sql(`select t.id, t.status, t.failure, t.attempt, t.price, a.name, a.status as avatar, a.is_main, a.photos_count as photos,
        (select json_agg(f.kind order by f.kind) from avatar_files f where f.avatar_id = a.id) as files,
        (select json_agg(x.kind order by x.id) from ledger_transfers x where x.subject = t.id) as transfers,
        (select count(*) from image_generations g where g.avatar_id = a.id and g.is_preview and g.status = 'completed') as presents
        from avatar_trainings t join avatars a on a.id = t.avatar_id`);
    assert.equal(rows.length, size.sitters);
    for (const row of rows)
        assert.deepEqual({ ...row, id: 0, attempt: 0, name: 0 }, {
            id: 0, status: "completed", failure: null, attempt: 0, price: trainingPrice, name: 0, avatar: "completed", is_main: true,
            photos: albumPhotos, files: ["config", "lora"], transfers: ["hold", "capture"], presents: 1,
        }, JSON.stringify(row));
    const groups = byToken(messages, (message) => /^✨.*(S-\d+).*ready/.exec(message.text)?.[1]);
    assert.equal(groups.size, size.sitters);
    doubled(groups, "avatar");
    const attempts = rows.reduce((sum, row) => sum + row.attempt, 0);
    say(`${rows.length} trainings, ${attempts - rows.length} submissions repeated`);
});

// A bot only queues; whoever else dies or goes away may do so between a call and its note.
test("no more is shown twice than faults could hit a call", () => {
    const able = faults.events.filter((event) => /worker|redis|postgres|PostgreSQL|Redis|Telegram/.test(event.name));
    for (const [name, messages] of shownTwice)
        say(`shown twice because of ${name}: ${messages}, ${able.filter((event) => event.name === name).length} times`);
    const all = [...shownTwice.values()].reduce((sum, messages) => sum + messages, 0);
    say(`${all} messages shown twice; ${able.length} faults could hit a call, ${able.filter((event) => event.kills).length} of them kills`);
    if (isLong) assert.ok(all <= able.length);
});

test("money: the ledger is whole and nothing is set aside", async () => {
    assert.deepEqual(await ground.sql("select * from ledger_check()"), []);
    const [sums] = await ground.sql(`select (select sum(amount) from ledger_entries) as entries,
        (select sum(balance) from ledger_accounts where kind = 'held') as held,
        (select count(*) from ledger_transfers) as transfers,
        (select count(*) from (select from ledger_transfers where subject is not null group by subject, kind having count(*) > 1) as q) as twice`);
    assert.deepEqual([sums.entries, sums.held, sums.twice], [0, 0, 0]);
    const wrong = await ground.sql(`select u.telegram_id, a.balance, paid.coins from users u
        join ledger_accounts a on a.user_id = u.id and a.kind = 'user'
        cross join lateral (select (select coalesce(sum(g.price), 0) from image_generations g where g.user_id = u.id and g.status = 'completed')
            + (select coalesce(sum(t.price), 0) from avatar_trainings t where t.user_id = u.id and t.status = 'completed') as coins) as paid
        where a.balance <> ${welcome} - paid.coins`);
    assert.deepEqual(wrong, []);
    const dear = await ground.sql(`select id from image_generations where price <> case when is_preview then 0 else ${price} * num_images end`);
    assert.deepEqual(dear, []);
    say(`${sums.transfers} transfers, sum 0, held 0`);
});

test("nothing is stuck, nothing was refused, no sanitizer complained", async () => {
    const dead = await ground.sql("select id, kind, last_error from jobs where state = 'dead'");
    for (const job of dead) say(`dead: ${JSON.stringify(job)}`);
    const { calls } = await ground.control("calls?refused=1&limit=20000");
    const { callbacks } = await ground.control("callbacks?limit=20000");
    const tappedAt = new Map(callbacks.map((tap) => [tap.id, tap.at_ms]));
    const isLate = (call) => /too old/.test(call.result) && call.at_ms - tappedAt.get(/"callback_query_id":"(\d+)"/.exec(call.parameters)?.[1]) > size.seconds * 1000;
    const isRepeat = (call) => isLate(call) || (/too old|not modified|to delete not found/.test(call.result) && mix.wasDone(call));
    const kind = (call) => (isLate(call) ? "answered late" : isRepeat(call) ? "made twice" : mix.wasTappedAgain(call) ? "tapped again" : "refused");
    for (const call of calls) say(`${kind(call)}: ${call.method} ${call.status} ${call.result.slice(0, 120)} ${call.parameters.slice(0, 200)}`);
    assert.deepEqual(dead, []);
    assert.deepEqual(ground.complaints(), []);
    assert.deepEqual(calls.filter((call) => kind(call) === "refused").map((call) => call.method), [], "calls that the Bot API refused");
});
