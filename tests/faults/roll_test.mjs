// roll_test.mjs - the bot is replaced again and again while updates that write
// come in at a steady rate; nobody may notice. SOAK=1 is the long form: a
// hundred rolls under five hundred updates a second.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Ground, pause } from "./ground.mjs";
import { adminIds } from "./mix.mjs";

const isLong = Boolean(process.env.SOAK);
const rolls = Number(process.env.ROLLS ?? (isLong ? 100 : 5));
const rate = Number(process.env.ROLL_RATE ?? (isLong ? 500 : 60));
const people = 2000, tickMs = 10;
let ground;
const sent = { updates: 0, links: 0 }, failures = [], tookMs = [];

const person = (id) => ({ id, is_bot: false, first_name: `R${id}`, language_code: "en" });
const chat = (id) => ({ id, type: "private", first_name: `R${id}` });

// One of ten asks for a link, which is a row and a message; the others block and unblock the bot.
function update(n) {
    const update_id = 1 + n;
    const date = Math.floor(Date.now() / 1000);
    if (n % 10 === 0) {
        const id = adminIds[(n / 10) % adminIds.length];
        sent.links++;
        return { update_id, message: { message_id: update_id, from: person(id), chat: chat(id), date, text: "/admin", entities: [{ type: "bot_command", offset: 0, length: 6 }] } };
    }
    const id = 81000 + (n % people);
    const member = (status) => ({ user: { id: 1, is_bot: true, first_name: "Aisha" }, status, ...(status === "kicked" ? { until_date: 0 } : {}) });
    const [from, to] = Math.floor(n / people) % 2 ? ["kicked", "member"] : ["member", "kicked"];
    return { update_id, my_chat_member: { from: person(id), chat: chat(id), date, old_chat_member: member(from), new_chat_member: member(to) } };
}

async function post(n) {
    const headers = { "Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": ground.env.TELEGRAM_WEBHOOK_SECRET };
    const began = performance.now();
    try {
        const { status, text } = await ground.fetch("/webhook/telegram", { method: "POST", headers, body: JSON.stringify(update(n)) });
        if (status !== 200) failures.push(`update ${n + 1}: ${status} ${text.slice(0, 100)}`);
    } catch (error) {
        failures.push(`update ${n + 1}: ${error.message}`);
    }
    tookMs.push(performance.now() - began);
}

// Sends on time whether or not answers come: who waits for a slow answer would hide it.
async function keepSending(isOver) {
    const began = performance.now(), open = new Set();
    while (!isOver()) {
        const due = ((performance.now() - began) / 1000) * rate;
        while (sent.updates < due) {
            const one = post(sent.updates++).finally(() => open.delete(one));
            open.add(one);
        }
        await pause(tickMs);
    }
    await Promise.all(open);
    return (performance.now() - began) / 1000;
}

before(async () => {
    ground = new Ground(process.env.ROLL_GROUND ?? "roll", {
        mode: /build\/(\w+)$/.exec(process.env.BUILD ?? "build/debug")[1],
        only: "postgres redis nginx bot",
        settings: { TELEGRAM_ADMIN_IDS: adminIds.join(","), FLOOD_LIMIT_PER_MINUTE: 100000 },
    });
    await ground.start();
});

after(() => ground?.stop());

test(`${rolls} times all processes of the bot are replaced, and no request fails`, async () => {
    let isOver = false;
    const sending = keepSending(() => isOver);
    const met = new Set(ground.bots());
    try {
        for (let i = 0; i < rolls; i++) {
            await ground.script("roll", ground.folder);
            for (const pid of ground.bots()) met.add(pid);
        }
    } finally {
        isOver = true;
    }
    const seconds = await sending;
    tookMs.sort((a, b) => a - b);
    const at = (share) => tookMs[Math.floor((tookMs.length - 1) * share)].toFixed(1);
    console.log(`# ${rolls} rolls, ${met.size} processes, ${sent.updates} updates in ${seconds.toFixed(1)} s (${(sent.updates / seconds).toFixed(0)}/s), ${failures.length} failed`);
    console.log(`# answered after ms: median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`);
    assert.deepEqual(failures.slice(0, 10), []);
    assert.ok(met.size >= rolls * Number(ground.env.BOT_PROCESSES), `${met.size} processes were met`);
});

test("every one of these updates had its effect once", async () => {
    const [rows] = await ground.sql(`select (select count(*) from turns) as turns, (select count(distinct update_id) from turns) as updates,
        (select count(*) from admin_links) as links, (select count(*) from parked_updates) as parked`);
    assert.deepEqual(rows, { turns: sent.updates, updates: sent.updates, links: sent.links, parked: 0 });
    let calls = 0;
    for (const key of (await ground.redis("--scan", "--pattern", "out:*")).split("\n").filter(Boolean)) calls += Number(await ground.redis("XLEN", key));
    assert.equal(calls, sent.links);
    assert.deepEqual(ground.complaints(), []);
});
