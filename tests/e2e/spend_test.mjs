// spend_test.mjs - a day that may cost half a dollar: many order at the same moment,
// through nginx and two bots, while the workers hand orders to FAL. As many are made as the day
// has room for, nobody is charged for another one, each admin reads of it once, and the next day
// goes on.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const image = 0.05, limit = 0.5, room = 10, people = 24, coins = 500;
const admins = [5001, 5002];
let ground, persons, words;

const noteTo = async (admin, wanted) => (await new Person(ground, admin).messages()).filter(({ text }) => wanted.test(text)).length;
const total = () => ground.row("select (spent + under_way)::bigint as sum from spend_today()");

before(async () => {
    ground = await OwnGround.start("spend", {
        processes: 2,
        settings: {
            DAILY_SPEND_LIMIT: limit, FAL_IMAGEN4_COST_USD: image, OPENAI_PROMPT_COST_USD: 0, TELEGRAM_ADMIN_IDS: admins.join(","), WELCOME_COINS: coins,
            SEND_CHAT_MESSAGES_PER_SECOND: 100, SEND_MESSAGES_PER_SECOND: 1000,
        },
    });
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    for (const id of admins) {
        await ground.control("person", { id, first_name: "Admin", language_code: "en" });
        await new Person(ground, id).start();
    }
    persons = await Promise.all(Array.from({ length: people }, async () => (await Person.meet(ground)).start()));
    words = new Map(persons.map((person, i) => [person, `a boat number ${i}`]));
});

after(() => ground?.end());

test("as many orders as the day has room for, whoever comes first", async () => {
    const taps = await Promise.all(persons.map((person) => person.chooses(words.get(person))));
    await Promise.all(persons.map((person, i) => person.act("tap", taps[i])));
    await ground.settled();
    const { orders } = await ground.row("select count(*)::int as orders from image_generations");
    assert.equal(orders, room);
    assert.equal(Number((await total()).sum), limit * 1e6);

    for (const person of persons) {
        const order = await person.orderOf(words.get(person));
        if (order) {
            await person.ended(order, "completed");
            assert.deepEqual(await person.balance(), { balance: coins - 5, held: 0 });
        } else {
            await person.see(/all for today.*all you chose is kept.*from \d\d\.\d\d \d\d:\d\d/s);
            assert.deepEqual(await person.balance(), { balance: coins, held: 0 });
        }
        await person.checkTaps();
    }
    assert.deepEqual(await ground.sql("select kind, calls::int, microdollars::int from spend_days where microdollars > 0"),
        [{ kind: "fal-ai/imagen4/preview", calls: room, microdollars: limit * 1e6 }]);
    await checkLedger(ground);
});

test("each admin is told once that it comes near, and once that it is reached", async () => {
    for (const admin of admins)
        await until(async () => await noteTo(admin, /close to the daily limit/) + await noteTo(admin, /daily spending limit is reached/) === 2, `two notes to ${admin}`);
    await until(async () => !(await ground.row("select 1 from jobs where kind = 'spend_note' and state in ('queued', 'running')")), "no note to be sent");
    for (const admin of admins)
        assert.deepEqual([await noteTo(admin, /close to the daily limit/), await noteTo(admin, /daily spending limit is reached/)], [1, 1]);
});

test("the status page tells today against the limit", async () => {
    const token = randomBytes(32).toString("hex"), hash = createHash("sha256").update(token).digest("hex");
    await ground.sql("insert into admin_links (token_sha256, telegram_id, expires_at) values (decode(:'hash', 'hex'), :id, now() + interval '5 minutes');", { hash, id: admins[0] });
    const login = await ground.ask("/status/login", { headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: `token=${token}` });
    const page = await ground.ask("/status", { headers: { Cookie: login.headers["set-cookie"][0].split(";")[0] } });
    assert.match(page.text, /API spend/);
    assert.match(page.text, /100 % of it used/);
    assert.match(page.text, /API spend: \$0\.50 of \$0\.50 for today, orders are refused until 00:00 UTC/);
    assert.match(page.text, /fal-ai\/imagen4\/preview/);
});

test("the next day takes the order where it was left", async () => {
    await ground.sql("update spend_days set day = day - 1;");
    const orders = await Promise.all(persons.map((person) => person.orderOf(words.get(person))));
    const person = persons[orders.findIndex((order) => !order)];
    await person.tap("dialog:resume");
    await person.see(/Choose the shape/);
    await person.tap("imagen:make");
    const order = await until(() => person.orderOf(words.get(person)), "the order");
    await person.ended(order, "completed");
    assert.deepEqual(await person.balance(), { balance: coins - 5, held: 0 });
});
