// training_test.mjs - a person's photos become an avatar: through nginx, the bot,
// the workers, the decoder and FAL, whose signed callback ends it. The price is
// paid once, the LoRA lies in our store, and the present follows.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { portraits } from "./lib/photos.mjs";
import { until } from "./lib/until.mjs";

let ground;

before(async () => {
    ground = await OwnGround.start("training", { settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100 } });
    await ground.fault("fal.pixels", 64);
});

after(() => ground?.end());

const avatarOf = (person) => ground.row("select * from avatars where user_id = :id", { id: person.rowId });

test("an avatar from the first tap to the present", async () => {
    const person = await (await Person.meet(ground)).start();
    const { balance } = await person.balance();
    for (const tap of ["avatar:open", "avatar:new", "avatar:agree", "avatar:portrait", "avatar:gender…female"])
        await person.tap(tap);
    await until(async () => (await person.messages()).some(({ text }) => /name/i.test(text ?? "")), "the question for a name");
    await person.say("Asya");
    await until(() => avatarOf(person), "a draft");
    await person.sendAlbum(portraits(10));
    await until(async () => (await avatarOf(person)).photos_count === 10, "ten photos that are kept", 60);
    await person.tap("training:open");
    await person.tap("training:start");
    const avatar = await until(async () => {
        const now = await avatarOf(person);
        assert.notEqual(now.status, "error", now.training_error);
        return now.status === "completed" && now;
    }, "a finished avatar", 120);

    assert.ok(avatar.is_main);
    assert.match(avatar.webhook_url, /\/webhook\/fal\/portrait\?/);
    assert.equal(avatar.training_config.trigger_phrase, avatar.trigger_phrase);
    await person.see(/Asya. is ready/);
    assert.deepEqual(await person.balance(), { balance: balance - 150, held: 0 });
    const { files } = await ground.row("select count(*)::int as files from avatar_files where avatar_id = :'id'", { id: avatar.id });
    assert.equal(files, 2);
    await until(async () => (await avatarOf(person)).preview_key, "the present on the card", 60);
    assert.deepEqual(await person.balance(), { balance: balance - 150, held: 0 });
    await checkLedger(ground);
});
