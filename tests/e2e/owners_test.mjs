// owners_test.mjs - what one person has made is nobody else's: not to see, not
// to change, not to delete, not to order again, whatever a button says.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { findGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const ground = findGround();
let ann, bob, annsOrder, annsImage, bobsImage;

async function picture(person, words) {
    const order = await person.order(words);
    await person.ended(order, "completed");
    await person.picture(words);
    return { order, image: await ground.row("select * from images where generation_id = :'id'", { id: order.id }) };
}

before(async () => {
    await ground.noFaults();
    await ground.control("forget", {});
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    [ann, bob] = [await Person.meet(ground), await Person.meet(ground)];
    await Promise.all([ann.start(), bob.start()]);
    [{ order: annsOrder, image: annsImage }, { image: bobsImage }] = await Promise.all([picture(ann, "Ann's secret garden"), picture(bob, "Bob's boat")]);
});

after(() => ground.noFaults());

const annsRow = () => ground.row("select i.*, (select count(*)::int from image_generations where user_id = i.user_id) as orders from images i where id = :'id'", { id: annsImage.id });
const cardOf = (person) => person.see((message) => message.kind === "photo" && message.markup?.inline_keyboard.flat().some((button) => button.callback_data.startsWith("gallery:favorite")));

// A tap on a message of Bob's own, saying what no button of his says; how it was answered.
async function bobForges(data) {
    const message = (await bob.messages()).at(-1);
    const { callback_id: id } = await bob.act("tap", { message_id: message.message_id, data, forged: true });
    return until(async () => (await ground.control(`callbacks?user=${bob.id}`)).callbacks.find((tap) => tap.id === id && tap.answered_ms), `an answer to ${data}`);
}

test("a gallery holds the person's own pictures and no others", async () => {
    await ann.say("/gallery");
    await bob.say("/gallery");
    const [annsCard, bobsCard] = [await cardOf(ann), await cardOf(bob)];
    assert.match(annsCard.text, /Ann's secret garden/);
    assert.match(bobsCard.text, /Bob's boat/);
    const hash = (message) => JSON.stringify(message.media).match(/[0-9a-f]{64}/)[0];
    assert.notEqual(hash(annsCard), hash(bobsCard));
    for (const message of await bob.messages()) assert.doesNotMatch(message.text, /Ann/);
});

for (const tap of ["gallery:show", "gallery:older", "gallery:newer", "gallery:first", "gallery:last", "gallery:favorite", "gallery:delete", "gallery:remove"])
    test(`${tap} with somebody else's picture does nothing to it and shows nothing of it`, async () => {
        const before = await annsRow();
        await bobForges(`${tap}:${annsImage.id}`);
        await ground.settled();
        assert.deepEqual(await annsRow(), before);
        for (const message of await bob.messages()) assert.doesNotMatch(`${message.text} ${JSON.stringify(message.media)}`, /Ann's/);
        assert.ok(await ground.row("select id from images where id = :'id'", { id: bobsImage.id }));
    });

for (const tap of ["imagen:again", "generation:cancel"])
    test(`${tap} with somebody else's order is refused and charges nobody`, async () => {
        const [before, annHas, bobHas] = [await annsRow(), await ann.balance(), await bob.balance()];
        await bobForges(`${tap}:${annsOrder.id}`);
        await ground.settled();
        assert.deepEqual(await annsRow(), before);
        assert.deepEqual([await ann.balance(), await bob.balance()], [annHas, bobHas]);
        assert.equal((await ground.row("select count(*)::int as n from image_generations where user_id = :id", { id: bob.rowId })).n, 1);
    });

test("somebody else's order under way cannot be cancelled", async () => {
    await ground.fault("fal.seconds", 600);
    const order = await ann.order("Ann's long work");
    await until(() => ground.row("select id from image_generations where id = :'id' and fal_request_id is not null", { id: order.id }), "an order that FAL has");
    await bobForges(`generation:cancel:${order.id}`);
    await ground.settled();
    assert.equal((await ground.row("select count(*)::int as n from jobs where subject = :'id' and kind = 'generation_cancel'", { id: order.id })).n, 0);
    assert.equal((await ground.row("select status from image_generations where id = :'id'", { id: order.id })).status, "processing");
    await ann.tap("generation:cancel");
    await ann.ended(order, "cancelled");
});

test("names that are none, or of things that never were, are answered too", async () => {
    for (const name of ["", "x", "00000000-0000-0000-0000-000000000000", `${annsImage.id}'`, "1".repeat(40)])
        for (const tap of ["gallery:show", "gallery:remove", "imagen:again", "generation:cancel"]) await bobForges(`${tap}:${name}`.slice(0, 64));
    assert.ok(await annsRow());
});

test("in the end the ledger is in order, every tap was answered, and no call was refused", async () => {
    await checkLedger(ground);
    for (const person of [ann, bob]) await person.checkTaps();
    // A forged tap under the card that stands has it drawn again, which Telegram calls not modified.
    const isRedraw = (call) => call.method === "editMessageMedia" && call.result.includes("message is not modified");
    assert.deepEqual(await ground.callReport(isRedraw), []);
});
