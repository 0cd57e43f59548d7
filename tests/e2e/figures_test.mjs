// figures_test.mjs - no number on a screen is made up. Two people with random
// histories look at each screen that tells of money: every number is one that
// the database has for its reader, and none is the same for both, but those
// that everybody sees, such as prices.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { findGround } from "./lib/ground.mjs";
import { Person } from "./lib/person.mjs";

const ground = findGround();
const seed = Number(process.env.FIGURES_SEED ?? Math.floor(Math.random() * 1e6));
let random = seed, ann, bob;

// Mulberry32: the same seed, the same people.
function below(limit) {
    random = (random + 0x6d2b79f5) | 0;
    let t = Math.imul(random ^ (random >>> 15), random | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
}

const numbersOf = (text) => [...text.matchAll(/\d+/g)].map(([digits]) => Number(digits));

// A life in rows: coins that came and went, avatars, pictures of both kinds. No number of it is the
// other one's number of the same kind.
async function someone(other) {
    const person = await (await Person.meet(ground)).start();
    const id = person.rowId, chosen = {};
    const own = (kind, least, most) => {
        do chosen[kind] = least + below(most - least + 1);
        while (chosen[kind] === other?.chosen[kind]);
        return chosen[kind];
    };
    const images = own("images", 45, 65), byWords = own("byWords", 10, 20), withAvatar = images - byWords;
    const avatars = own("avatars", 3, 9), ready = own("ready", 1, avatars - 1), favorites = own("favorites", 1, 9);
    const week = own("week", 1, 9), month = own("month", 20, 40), seconds = own("seconds", 40, 99);
    await ground.sql(`do $$ declare
        order_id uuid; avatar uuid; number int;
    begin
        for number in 1 .. ${avatars} loop
            insert into avatars (id, user_id, name, gender, training_type, status, photos_count, diffusers_lora_file_url)
            values (gen_random_uuid(), ${id}, 'Avatar ' || chr(64 + number), 'female', 'portrait',
                    case when number <= ${ready} then 'completed' else 'error' end::avatarstatus, 10, 'https://fal.media/x')
            returning avatars.id into avatar;
        end loop;
        for number in 1 .. ${images} loop
            insert into image_generations (id, user_id, generation_type, original_prompt, price, status, completed_at, created_at,
                                           generation_seconds, avatar_id, aspect_ratio)
            values (gen_random_uuid(), ${id}, case when number <= ${byWords} then 'imagen4' else 'avatar' end, 'x', 0, 'completed', now(),
                    now() - interval '90 days', ${seconds}, case when number > ${byWords} then avatar end, '1:1')
            returning image_generations.id into order_id;
            insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes, is_favorite, created_at)
            values (gen_random_uuid(), order_id, ${id}, 0, 'generated', 'figures/' || order_id, 'image/png', 1, number <= ${favorites},
                    now() - case when number <= ${week} then interval '3 days' when number <= ${month} then interval '20 days' else interval '60 days' end);
        end loop;
    end $$`);
    for (let i = 0; i < 4; i++) await move(id, `credit(${id}, 'figures:${id}:c${i}', ${own(`credit ${i}`, 400, 900)}, 'adjustment', 'operator')`);
    for (let i = 0; i < 3; i++) {
        const coins = own(`hold ${i}`, 100, 399);
        await move(id, `hold(${id}, 'figures:${id}:h${i}', ${coins}, null, 'image')`);
        if (i === 0) await move(id, `capture('figures:${id}:h0', ${own("spent", 40, 99)})`);
        if (i === 1) await move(id, `release('figures:${id}:h1')`);
    }
    await move(id, `debit(${id}, 'figures:${id}:d', ${own("debit", 100, 399)}, 'adjustment', 'operator')`);
    return Object.assign(person, { chosen, figures: { avatars, ready, byWords, withAvatar, images, favorites, week, month, seconds } });
}

// What an operator's command does after it has moved coins: the bot reads the person anew.
async function forget(person) {
    const [key] = (await ground.redis("--scan", "--pattern", `session:*:${person.id}`)).trim().split("\n");
    await ground.redis("HDEL", key, "u");
    await ground.redis("HINCRBY", key, "v", 1);
}

const move = (id, call) => ground.sql(`do $$ begin perform ledger_${call}; end $$`);

// What the database says of a person's coins, line by line.
async function coinsOf(person) {
    const { balance, held } = await person.balance();
    const lines = await ground.sql(`select amount, balance_after from ledger_statement(${person.rowId}, 10)`);
    const { spent } = await ground.row(`select coalesce(sum(e.amount), 0)::int as spent from ledger_transfers t join ledger_entries e on e.transfer_id = t.id
        join ledger_accounts a on a.id = e.account_id where t.user_id = ${person.rowId} and t.kind = 'capture' and a.kind = 'revenue'`);
    return { balance, held, spent, lines: lines.flatMap(({ amount, balance_after: after }) => [Math.abs(amount), after]) };
}

// What a screen says, by its newest message that fits.
async function shows(person, go, wanted) {
    const seen = new Set((await person.messages()).map((message) => `${message.message_id} ${message.text}`));
    await go(person);
    return (await person.see((message) => wanted.test(message.text) && !seen.has(`${message.message_id} ${message.text}`))).text;
}

// shared: numbers that both may see. mine: all that may stand there of the reader himself.
async function compare(go, wanted, { without = /(?!)/g, shared = [], mine }) {
    const texts = [await shows(ann, go, wanted), await shows(bob, go, wanted)].map((text) => text.replace(without, ""));
    const [anns, bobs] = texts.map(numbersOf);
    const context = `FIGURES_SEED=${seed}\n${texts.join("\n--\n")}`;
    assert.equal(anns.length, bobs.length, `as many figures for both: ${context}`);
    for (const [person, figures] of [[ann, anns], [bob, bobs]]) {
        const known = new Set([...shared, ...await mine(person)]);
        assert.deepEqual(figures.filter((number) => !known.has(number)), [], `what nobody knows of: ${context}`);
        assert.ok(figures.some((number) => !shared.includes(number)), `something of his own: ${context}`);
    }
    const same = anns.filter((number, i) => number === bobs[i] && !shared.includes(number));
    assert.deepEqual(same, [], `the same for both: ${context}`);
}

before(async () => {
    console.log(`# FIGURES_SEED=${seed}`);
    await ground.noFaults();
    ann = await someone();
    const anns = await coinsOf(ann);
    for (;;) { // sums may meet by chance
        bob = await someone(ann);
        const bobs = await coinsOf(bob), meets = anns.lines.some((number, i) => number === bobs.lines[i]);
        if (!meets && ["balance", "held", "spent"].every((name) => anns[name] !== bobs[name]) && ann.figures.withAvatar !== bob.figures.withAvatar) break;
        await move(bob.rowId, `release('figures:${bob.rowId}:h2')`);
    }
    await Promise.all([ann, bob].map(forget));
});

after(async () => {
    for (const { rowId: id } of [ann, bob]) await move(id, `release('figures:${id}:h2')`);
});

const price = Number(ground.settings.IMAGEN4_GENERATION_COST ?? 5);

test("the profile", () => compare((person) => person.say("/profile"), /Avatars:/, {
    without: /with us since.*|^👤.*/gm,
    mine: async (person) => {
        const { balance, held } = await coinsOf(person), { avatars, ready, images } = person.figures;
        return [balance, held, avatars, ready, images];
    },
}));

test("the history of coins", () => compare((person) => person.say("/balance"), /Balance: /, {
    without: /^\d.*? {2}|\d+ (?=pictures? )|UTC\+\d/gm, // the moment of each line, and whose clock it is
    mine: async (person) => {
        const { balance, held, lines } = await coinsOf(person);
        return [balance, held, ...lines];
    },
}));

const openProfile = async (person) => shows(person, () => person.say("/profile"), /Avatars:/);

test("the statistics", () => compare(async (person) => {
    await openProfile(person);
    await person.tap("statistics:open");
}, /With an avatar: /, {
    without: /Most often: .*|“Avatar .*”/g,
    shared: [7, 30], // days
    mine: async (person) => {
        const { spent } = await coinsOf(person), { byWords, withAvatar, images, favorites, week, month, seconds } = person.figures;
        return [spent, byWords, withAvatar, images, favorites, week, month, seconds];
    },
}));

test("the packages of coins", () => compare(async (person) => {
    await openProfile(person);
    await person.tap("topup:open");
}, /You have \d+ coin/, {
    shared: [Number(ground.settings.IMAGE_GENERATION_COST ?? 5), Number(ground.settings.AVATAR_CREATION_COST ?? 150)],
    mine: async (person) => [(await coinsOf(person)).balance],
}));

test("too few coins", async () => {
    for (const [person, left] of [[ann, 1], [bob, 2]]) {
        const { balance } = await person.balance();
        await move(person.rowId, `debit(${person.rowId}, 'figures:${person.rowId}:rest', ${balance - left}, 'adjustment', 'operator')`);
    }
    await Promise.all([ann, bob].map(forget));
    await compare(async (person) => {
        await person.act("tap", await person.chooses("a fox in the snow"));
    }, /Not enough coins/, {
        shared: [price],
        mine: async (person) => {
            const { balance } = await coinsOf(person);
            return [balance, price - balance];
        },
    });
});
