// promo_test.mjs - promo codes from the operator's hand to the balance: each
// kind, each refusal, links for strangers, and many people at the same moment.
import assert from "node:assert/strict";
import { test } from "node:test";
import { operator } from "./lib/aisha.mjs";
import { findGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const ground = findGround();
const aisha = operator(ground);
const mark = Date.now().toString(36).toUpperCase(); // codes stay for ever: a second run makes others
const welcome = Number(ground.settings.WELCOME_COINS ?? 0);

function make(name, options) {
    const code = `${name}-${mark}`;
    const answer = aisha(["promo", "make", "--code", code.toLowerCase(), ...options, "--json"]);
    assert.equal(answer.status, 0, answer.err);
    assert.equal(answer.json().code, code);
    return code;
}

const stats = (code) => aisha(["promo", "stats", code, "--json"]).json();
const audit = (action, code) => ground.row("select details from admin_audit where action = :'action' and subject = 'promo:' || :'code'", { action, code });

test("an operator makes a code, sees it, and stops it", async () => {
    const code = make("SUMMER", ["--kind", "balance", "--coins", 50, "--limit", 100, "--from", "2026-01-01", "--until", "2099-06-30"]);
    const again = aisha(["promo", "make", "--code", code, "--kind", "balance", "--coins", 1]);
    assert.equal(again.status, 1);
    assert.match(again.err, /there is a code SUMMER-\w+ already\nA code keeps its terms/);

    const row = aisha(["promo", "list", "--json"]).json().find((one) => one.code === code);
    assert.deepEqual(row, { code, kind: "balance", amount: 50, uses: 0, limit: 100, per_user: 1,
        from_ms: Date.UTC(2026, 0, 1), until_ms: Date.UTC(2099, 6, 1), state: "open" });
    assert.match(aisha(["promo", "list"]).out, new RegExp(`^${code} +balance +50 coins +0 +100 +1 +2026-01-01 00:00 +2099-07-01 00:00 +open$`, "m"));
    const { username } = await until(() => ground.row("select username from bots limit 1"), "the bot's name");
    assert.match(aisha(["promo", "make", "--code", `SAID-${mark}`, "--kind", "percent", "--percent", 20, "--per-user", 0, "--until", "2099-06-30T18:00"]).out,
        new RegExp(`^Made SAID-${mark}: \\+20 %, any uses in all, any for one user, from now until 2099-06-30 18:00\\.\nLink: https://t\\.me/${username}\\?start=promo_SAID-${mark}$`, "m"));

    assert.deepEqual((await audit("promo.make", code)).details, { kind: "balance", amount: 50, limit: 100, per_user: 1, from_ms: row.from_ms, until_ms: row.until_ms });
    assert.deepEqual(aisha(["promo", "stop", code.toLowerCase(), "--json"]).json(), { code, was_active: true, given_back: 0 });
    assert.match(aisha(["promo", "stop", code]).out, /had been stopped before/);
    assert.equal(stats(code).promo.state, "stopped");
    assert.deepEqual((await audit("promo.stop", code)).details, { given_back: 0 });
});

test("a slip makes no code", () => {
    const least = ["--code", `SLIP-${mark}`, "--kind", "balance", "--coins", 5];
    for (const [words, wanted] of [
        [["--kind", "balance", "--coins", 5], /"" is no code/],
        [["--code", "a b", "--kind", "balance", "--coins", 5], /"a b" is no code: 3 to 40/],
        [["--code", "ИЮНЬ", "--kind", "balance", "--coins", 5], /is no code/],
        [["--code", "SLIP"], /--kind "" is not balance, bonus or percent/],
        [["--code", "SLIP", "--kind", "gift"], /--kind "gift"/],
        [["--code", "SLIP", "--kind", "bonus"], /--coins says what the code gives/],
        [["--code", "SLIP", "--kind", "percent", "--coins", 5], /percent takes --percent, not --coins/],
        [["--code", "SLIP", "--kind", "percent", "--percent", 1001], /no whole number from 1 to 1000/],
        [["--code", "SLIP", "--kind", "balance", "--coins", "5.5"], /no whole number/],
        [[...least, "--limit", -1], /no whole number from 0/],
        [[...least, "--until", "2026-06-31"], /neither a day/],
        [[...least, "--until", "tomorrow"], /neither a day/],
        [[...least, "--from", "2027-01-01", "--until", "2026-12-30"], /end before it begins/],
    ]) {
        const answer = aisha(["promo", "make", ...words]);
        assert.equal(answer.status, 1, words.join(" "));
        assert.match(answer.err, wanted);
    }
    assert.match(aisha(["promo", "stats", `SLIP-${mark}`]).err, /there is no code/);
    assert.match(aisha(["promo", "stop", `SLIP-${mark}`]).err, /there is no code SLIP-\w+\naisha promo list/);
});

test("a link brings a stranger in with the coins", async () => {
    const code = make("HELLO", ["--kind", "balance", "--coins", 30, "--limit", 1]);
    const ann = await Person.meet(ground), bob = await Person.meet(ground, { language: "ru" });
    await ann.say(`/start promo_${code}`);
    await ann.see(new RegExp(`Promo code ${code}: \\+30 coins`));
    const greeting = await ann.see(/Where shall we start/);
    assert.ok(greeting.markup.inline_keyboard.flat().some(({ text }) => text.endsWith(`${welcome + 30}`)), "the greeting knows the coins");
    await ann.say(`/start promo_${code}`);
    await ann.see(/used up by others|have used/);
    assert.equal((await ann.start()).rowId > 0, true);
    assert.deepEqual(await ann.balance(), { balance: welcome + 30, held: 0 });

    await bob.say(`/start promo_${code}`);
    await bob.see(/уже разобрали/);
    assert.equal(stats(code).used, 1);
});

test("the button asks, and leads back to where it was tapped", async () => {
    const code = make("BACK", ["--kind", "balance", "--coins", 7]);
    const ann = await (await Person.meet(ground)).start();
    const order = await ann.chooses("a fox in the snow");
    await ann.say("/promo");
    await ann.see(/Send me the code/);
    await ann.say("nothing");
    await ann.see(/There is no such promo code/);
    await ann.say(` ${code.toLowerCase()} `);
    await ann.see(/\+7 coins/);
    await ann.tap("dialog:resume");
    await ann.see((message) => /a fox in the snow/.test(message.text) && /Choose the shape/.test(message.text));
    await ann.act("tap", order);
    await until(() => ann.orderOf("a fox in the snow"), "the order that was begun before the code");
    await ann.checkTaps();
});

test("a bonus and a percent wait for the purchase, one at a time", async () => {
    const bonus = make("BONUS", ["--kind", "bonus", "--coins", 70, "--limit", 1, "--per-user", 2]);
    const percent = make("PERCENT", ["--kind", "percent", "--percent", 15]);
    const ann = await (await Person.meet(ground)).start(), bob = await (await Person.meet(ground)).start();
    await ann.say(`/promo ${bonus}`);
    await ann.see(/next purchase gets 70 coins on top/);
    await ann.say(`/promo ${bonus}`);
    await ann.see(/You have promo code .* already/);
    await bob.say(`/promo ${bonus}`);
    await bob.see(/used up by others/);
    await ann.say(`/promo ${percent}`);
    await ann.see(new RegExp(`15% more coins[^]*It replaced the code ${bonus}`));
    await bob.say(`/promo ${bonus}`);
    await bob.see(/next purchase gets 70 coins on top/);
    assert.deepEqual(await ann.balance(), { balance: welcome, held: 0 });
    assert.equal(stats(percent).waiting, 1);
    assert.equal(stats(bonus).given_back, 1);

    assert.match(aisha(["promo", "stop", bonus]).out, /Given back before a purchase: 1\./);
    assert.equal(stats(bonus).waiting, 0);
});

/* ---------------------------------------------------------------- many at once */

let nextUpdate = 1_700_000_000 + Math.floor(Math.random() * 1e8);

// As Telegram delivers: a 503 comes again.
async function deliver(person, text) {
    const update = {
        update_id: nextUpdate++,
        message: { message_id: nextUpdate, date: Math.floor(Date.now() / 1000), text, chat: { id: person.id, type: "private", first_name: "P" },
            from: { id: person.id, is_bot: false, first_name: "P", language_code: "en" } },
    };
    await until(async () => (await ground.update(update)).status === 200, `an answer to ${text} of ${person.id}`);
}

test("200 people and one code for 50: exactly 50 have the coins", async () => {
    const code = make("FLOOD", ["--kind", "balance", "--coins", 11, "--limit", 50]);
    const people = await Promise.all(Array.from({ length: 200 }, () => Person.meet(ground)));
    await Promise.all(people.map((person, i) => deliver(person, i % 2 ? `/start promo_${code}` : `/promo ${code}`)));

    const { n, coins } = await ground.row(`select count(*)::int as n, coalesce(sum((ledger_balance(u.user_id)).balance), 0)::int as coins
        from promo_code_usages u join promo_codes c on c.id = u.promo_code_id where c.code = :'code'`, { code });
    assert.deepEqual({ n, coins }, { n: 50, coins: 50 * (welcome + 11) });
    const { used, people: who, coins_given: given, promo } = stats(code);
    assert.deepEqual({ used, who, given, uses: promo.uses, state: promo.state }, { used: 50, who: 50, given: 550, uses: 50, state: "used_up" });
    const ids = people.map(({ id }) => id).join(",");
    const { met, all } = await ground.row(`select count(*)::int as met, sum((ledger_balance(id)).balance)::int as all from users where telegram_id in (${ids})`);
    assert.deepEqual({ met, all }, { met: 200, all: 200 * welcome + 550 });
    await checkLedger(ground);
});

test("one person, the same code twenty times at the same moment: once", async () => {
    const code = make("TWENTY", ["--kind", "balance", "--coins", 13]);
    const waits = make("WAITS", ["--kind", "bonus", "--coins", 13]);
    const ann = await (await Person.meet(ground)).start();
    await Promise.all(Array.from({ length: 20 }, () => deliver(ann, `/promo ${code}`)));
    assert.deepEqual(await ann.balance(), { balance: welcome + 13, held: 0 });
    assert.equal(stats(code).promo.uses, 1);
    await ground.sql("update promo_tries set wrong = 0");
    await Promise.all(Array.from({ length: 20 }, () => deliver(ann, `/promo ${waits}`)));
    assert.equal(stats(waits).promo.uses, 1);
});

test("people who change between the same two codes never block each other, and no use is lost", async () => {
    const one = make("ONE", ["--kind", "bonus", "--coins", 5, "--per-user", 0]);
    const two = make("TWO", ["--kind", "percent", "--percent", 5, "--per-user", 0]);
    const people = await Promise.all(Array.from({ length: 20 }, () => Person.meet(ground)));
    for (let round = 0; round < 3; round++)
        await Promise.all(people.map((person, i) => deliver(person, `/promo ${(i + round) % 2 ? one : two}`)));
    assert.equal(stats(one).promo.uses + stats(two).promo.uses, 20);
    assert.equal(stats(one).waiting + stats(two).waiting, 20);
});

test("guessing ends after ten wrong codes, and not for others", async () => {
    const code = make("GUESS", ["--kind", "balance", "--coins", 5]);
    const ann = await (await Person.meet(ground)).start(), bob = await (await Person.meet(ground)).start();
    for (let n = 0; n < 10; n++) await deliver(ann, `/promo ${mark}${n}`);
    await ann.say(`/promo ${code}`);
    await ann.see(/Too many wrong codes within an hour. Please try again in (60|59) minutes/);
    await bob.say(`/promo ${code}`);
    await bob.see(/\+5 coins/);
    assert.deepEqual(await ann.balance(), { balance: welcome, held: 0 });
});

test("what waited too long is given back by the workers", async () => {
    const code = make("LATE", ["--kind", "bonus", "--coins", 9, "--limit", 1]);
    const ann = await (await Person.meet(ground)).start();
    await ann.say(`/promo ${code}`);
    await ann.see(/9 coins on top/);
    await ground.sql("update promo_code_usages set expires_at = now() - interval '16 minutes' where user_id = :id and state = 'waiting'", { id: ann.rowId });
    await until(async () => stats(code).given_back === 1, "the sweep of promo codes");
    assert.equal(stats(code).promo.uses, 0);
    await checkLedger(ground);
});
