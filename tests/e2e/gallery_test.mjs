// gallery_test.mjs - pictures whose names Telegram has forgotten come all the
// same: in a new message, and in the place of the one that is looked at.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { findGround } from "./lib/ground.mjs";
import { Person } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const ground = findGround();
const words = ["a lamp in the fog", "a boat in the reeds"];
let person;

const forget = () => ground.sql("update images set telegram_file_id = 'AgACAgIAAxkBforgotten' || position || generation_id where user_id = :id", { id: person.rowId });

// Names that Telegram gave, and not that of the test.
const isKnown = (text) => ground.row(
    "select i.id from images i join image_generations g on g.id = i.generation_id where i.user_id = :id and g.original_prompt = :'text' and i.telegram_file_id not like '%forgotten%'",
    { id: person.rowId, text });

const card = async () => (await person.messages()).findLast((message) => message.kind === "photo");

before(async () => {
    await ground.noFaults();
    person = await (await Person.meet(ground)).start();
    for (const text of words) {
        const order = await person.order(text);
        await person.ended(order, "completed");
        await person.picture(text);
    }
});

test("the gallery opens with it, and Telegram knows it again", async () => {
    await forget();
    await person.say("/gallery");
    const opened = await person.see((message) => message.kind === "photo" && /1 of 2/.test(message.text));
    assert.match(opened.text, new RegExp(words[1]));
    await until(() => isKnown(words[1]), "a new name for it");
    assert.ok(!await isKnown(words[0]), "the other one was not asked for");
});

test("it comes into the message that is looked at", async () => {
    const looked = await card();
    await person.tap("gallery:older"); // refused in the answer to the tap, of which nobody hears
    await until(async () => (await ground.redis("HGET", (await ground.redis("--scan", "--pattern", `session:*:${person.id}`)).trim(), "g.index")).trim() === "2", "the second page");
    await person.tap("gallery:older");
    const shown = await person.see((message) => message.kind === "photo" && /2 of 2/.test(message.text));
    assert.equal(shown.message_id, looked.message_id);
    assert.match(shown.text, new RegExp(words[0]));
    await until(() => isKnown(words[0]), "a new name for it");
    await person.checkTaps();
});
