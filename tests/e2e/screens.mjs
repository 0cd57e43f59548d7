// screens.mjs - a picture of every screen, into the folder that is named.
//
//     node screens.mjs build/screens [JOURNEY...]
//
// A journey is gone by two new people side by side, one in Russian and one in
// English, and each screen is pictured four times: wide and narrow, light and
// dark. A folder a look, so that one can be leafed through: ru-narrow-dark/…
// Then the chat page itself and the status page.
import { mkdirSync } from "node:fs";
import { openBrowser, openChat } from "./lib/browser.mjs";
import { findGround } from "./lib/ground.mjs";
import { Person } from "./lib/person.mjs";
import { broken, notPicture, portrait, portraits, tooSmall } from "./lib/photos.mjs";
import { recording } from "./lib/speech.mjs";
import { encode } from "./lib/voice.mjs";
import { Walk } from "./lib/walk.mjs";

const [folder = "build/screens", ...wanted] = process.argv.slice(2);
const ground = findGround();

const sizes = { wide: { width: 1280, height: 900 }, narrow: { width: 390, height: 844 } };
const schemes = ["light", "dark"];
const locales = { ru: "ru-RU", en: "en-GB" };

const spoken = {
    ru: {
        picture: "маяк в снегу на закате, акварель", self: "в плаще на мосту ночью, неоновый свет, дождь",
        name: "Ася", newName: "Ася в городе", object: "Кружка",
    },
    en: {
        picture: "a lighthouse in the snow at dusk, watercolour", self: "in a cloak on a bridge at night, neon light, rain",
        name: "Alice", newName: "Alice in town", object: "My mug",
    },
};

const word = (walk, key) => spoken[walk.language][key];

async function giveAvatar(walk) {
    await ground.sql(`insert into avatars (id, user_id, name, gender, training_type, status, is_main, trigger_phrase, diffusers_lora_file_url)
        select gen_random_uuid(), id, :'name', 'female', 'portrait', 'completed', true, 'TOK_screens', 'https://v3.fal.media/files/screens'
        from users where telegram_id = :id`, { id: walk.user, name: word(walk, "name") });
}

async function order(walk) {
    await walk.say("/create");
    await walk.say(word(walk, "picture"));
    await walk.tap("imagen:make");
}

// From the list of avatars to an open upload.
async function beginAvatar(walk, name, type, gender) {
    await walk.say("/avatars");
    await walk.tap("avatar:new");
    await walk.tap("avatar:agree");
    if (type === "portrait") {
        await walk.tap("avatar:portrait");
        await walk.tap("avatar:gender", gender);
    } else {
        await walk.tap("avatar:type", type);
    }
    await walk.say(word(walk, name));
}

const kept = (count) => new RegExp(`(^|\\s)${count} (из|of) 20`);

const trainers = { portrait: "fal-ai/flux-lora-portrait-trainer", object: "fal-ai/flux-lora-fast-training" };

// From an open upload to a training that is paid.
async function train(walk, from) {
    await walk.show(portraits(10, { from }), kept(10));
    await walk.tap("training:open");
    await walk.tap("training:start");
}

// As many as there can be, which would take an hour of trainings; the draft stays no draft.
async function fillAvatars(walk) {
    await ground.sql(`update avatars set status = 'cancelled' where user_id = (select id from users where telegram_id = :id);
        insert into avatars (id, user_id, name, training_type, status)
        select gen_random_uuid(), u.id, 'No ' || n, 'style', 'cancelled'
        from users u, generate_series(1, 10) n where u.telegram_id = :id;`, { id: walk.user });
}

// By an admin's correction, either way; the bot has not heard of it yet.
// A recording of so many seconds, said to the bot by the control door.
async function speakTo(walk, seconds, kind, more = {}) {
    const { wav } = recording(seconds, { language: walk.language });
    await ground.control("update", { user: walk.user, kind, bytes: encode(wav, "ogg").toString("base64"), duration: seconds, ...more });
}

async function leaveCoins(walk, coins) {
    await ground.sql(`select case when l.balance > :coins then ledger_debit(u.id, gen_random_uuid()::text, l.balance - :coins, 'adjustment', 'admin')
            else ledger_credit(u.id, gen_random_uuid()::text, :coins - l.balance, 'adjustment', 'admin') end
        from users u cross join ledger_balance(u.id) l where u.telegram_id = :id and l.balance <> :coins`, { id: walk.user, coins });
}

// The ground has a limit that nothing but this reaches.
async function spendToday(dollars = Number(ground.settings.DAILY_SPEND_LIMIT)) {
    await ground.sql(`insert into spend_days (day, kind, calls, microdollars) values ((now() at time zone 'UTC')::date, 'fal-ai/flux-lora', 1, :dollars * 1000000)
        on conflict (day, kind) do update set microdollars = excluded.microdollars;`, { dollars });
}

// One code for each thing that can be said of one.
const makePromos = () => ground.sql(`insert into promo_codes (code, type, balance_amount, bonus_amount, discount_percent, max_uses, max_uses_per_user, valid_from, valid_until, created_by)
    values ('SUMMER', 'balance', 50, null, null, null, 1, null, null, 'screens'),
           ('PLUS', 'bonus', null, 70, null, null, null, null, null, 'screens'),
           ('AUTUMN', 'percent', null, null, 20, null, null, null, null, 'screens'),
           ('EARLY', 'balance', 5, null, null, null, null, '2099-07-01 10:00Z', null, 'screens'),
           ('LATE', 'balance', 5, null, null, null, null, null, '2026-06-01Z', 'screens'),
           ('GONE', 'balance', 5, null, null, 1, null, null, null, 'screens')
    on conflict (code) do nothing;
    update promo_codes set current_uses = max_uses where code = 'GONE';`);

// What answers a tap in a window of its own stands before everything.
async function closeAlert(walk) {
    await walk.page.locator("#alert-dialog[open] button").click();
}

// A month of pictures and coins, which nobody would wait for.
async function fillMonth(walk) {
    await ground.sql(`insert into image_generations (id, user_id, generation_type, original_prompt, num_images, price, status, completed_at, generation_seconds, created_at)
        select gen_random_uuid(), u.id, 'imagen4', 'a month ' || n, 1 + n % 4, 5 * (1 + n % 4), 'completed', now() - n * interval '1 day', 7 + n, now() - n * interval '1 day'
        from users u, generate_series(0, 29) n where u.telegram_id = :id and n % 3 <> 1;
        insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes, created_at)
        select gen_random_uuid(), g.id, g.user_id, p, 'images', 'month/' || g.id || '/' || p, 'image/png', 1, g.created_at
        from image_generations g join users u on u.id = g.user_id, generate_series(0, 3) p
        where u.telegram_id = :id and g.original_prompt like 'a month %' and p < g.num_images;
        select count(*) filter (where moved.is_held and moved.is_spent) from (
            select ledger_hold(g.user_id, 'month:' || g.id, g.price, g.id, 'image') as is_held, ledger_capture('month:' || g.id) as is_spent
            from image_generations g join users u on u.id = g.user_id where u.telegram_id = :id and g.original_prompt like 'a month %' offset 0) as moved;
        set session_replication_role = replica;
        update ledger_transfers t set created_at = g.created_at from image_generations g
        where g.id = t.subject and g.original_prompt like 'a month %';
        reset session_replication_role;`, { id: walk.user });
}

async function drawWith(walk, ...marks) {
    await walk.say("/create");
    await walk.tap("flux:open");
    await walk.say([word(walk, "self"), ...marks].join(" "));
    if (marks.includes("[nsfw 2]")) await walk.tap("flux:count", "2");
    await walk.tap("flux:make");
}

// In the order of a visit: the file's name, what leads there, and what is out of order from
// there on, until it is null or the journey ends.
const journeys = {
    first: [
        ["start", (walk) => walk.say("/start")],
        ["menu", (walk) => walk.say("/menu")],
        ["help", (walk) => walk.tap("help:open")],
        ["profile", (walk) => walk.say("/profile")],
        ["statistics-empty", (walk) => walk.tap("statistics:open")],
        ["language", (walk) => walk.say("/language")],
        ["balance", (walk) => walk.say("/balance")],
        ["gallery-empty", (walk) => walk.say("/gallery")],
        ["unknown-words", (walk) => walk.say("?")],
        ["cancel-nothing", (walk) => walk.say("/cancel")],
        ["photo-astray", (walk) => walk.show([portrait(1)], /\/avatars/)],
        ["create", (walk) => walk.say("/create")],
        ["flux-no-avatar", (walk) => walk.tap("flux:open")],
        ["mydata", (walk) => walk.say("/mydata")],
        ["mydata-done", async (walk) => {
            await walk.tap("mydata:make");
            await walk.reads(/последний|the last one/);
        }],
        ["mydata-wait", (walk) => walk.say("/mydata")],
        ["commands", async (walk) => {
            await walk.input.pressSequentially("/");
            await walk.page.waitForTimeout(300);
        }],
    ],
    leave: [
        ["menu", (walk) => walk.say("/menu")],
        ["deleteme", (walk) => walk.say("/deleteme")],
        ["deleteme-ask", (walk) => walk.tap("deleteme:ask")],
        ["deleteme-done", async (walk) => {
            await walk.tap("deleteme:go");
            await walk.reads(/Готово: ваших|Done: your data/);
        }],
    ],
    speech: [
        ["menu", (walk) => walk.say("/transcribe")],
        ["free", async (walk) => {
            await speakTo(walk, 14, "voice");
            await walk.reads(/Бесплатно|Free of charge/);
        }],
        ["quote", async (walk) => {
            await leaveCoins(walk, 300);
            await speakTo(walk, 70, "audio", { file_name: walk.language === "ru" ? "Планёрка.mp3" : "Meeting.mp3" });
            await walk.reads(/Длительность: 1:10|Length: 1:10/);
        }],
        ["working", async (walk) => {
            await walk.tap("speech:start");
            await walk.reads(/Распознано|recognised/);
        }, { "openai.seconds": 4 }],
        ["result", (walk) => walk.reads(/Списано 20|20 coins charged/), { "openai.seconds": null }],
        ["file", async (walk) => {
            await walk.tap("transcript:file", "docx");
            await walk.reads(/\.docx/);
        }],
        ["note", async (walk) => {
            await walk.tap("note:make", "summary");
            await walk.reads(/К расшифровке|The transcript/);
        }],
        ["history", (walk) => walk.say("/history")],
        ["history-search", (walk) => walk.tap("speech:search")],
        ["history-not-found", (walk) => walk.say("zebra")],
        ["card", async (walk) => {
            await walk.tap("speech:history");
            await walk.tap("transcript:show");
        }],
        ["rename", (walk) => walk.tap("transcript:rename")],
        ["delete", async (walk) => {
            await walk.say(walk.language === "ru" ? "Планёрка отдела" : "Team meeting");
            await walk.tap("transcript:delete");
        }],
        ["refused", async (walk) => {
            await walk.tap("transcript:show");
            await ground.control("update", { user: walk.user, kind: "document", file_name: "song.mp3", mime_type: "audio/mpeg", bytes: Buffer.from("no sound at all").toString("base64") });
            await walk.reads(/не похоже на запись|does not look like/);
        }],
        ["no-coins", async (walk) => {
            await leaveCoins(walk, 5);
            await speakTo(walk, 70, "audio", { file_name: "Talk.mp3" });
            await walk.reads(/не хватает: 15|missing: 15/);
        }],
    ],
    imagen: [
        ["words", async (walk) => {
            await walk.say("/create");
            await walk.tap("imagen:open");
        }],
        ["bad-words", (walk) => walk.say("я")],
        ["options", (walk) => walk.say(word(walk, "picture"))],
        ["options-chosen", async (walk) => {
            await walk.tap("imagen:ratio", "16:9");
            await walk.tap("imagen:count", "2");
        }],
        ["ordered", (walk) => walk.tap("imagen:make")],
        ["running", (walk) => walk.reads(/Рисую|Drawing/)],
        ["done", (walk) => walk.until("imagen:again")],
        ["again", (walk) => walk.tap("imagen:again")],
        ["again-done", (walk) => walk.untilGone("generation:cancel")],
        ["gallery", (walk) => walk.say("/gallery")],
        ["gallery-older", (walk) => walk.tap("gallery:older")],
        ["gallery-favorite", (walk) => walk.tap("gallery:favorite")],
        ["gallery-prompt", (walk) => walk.tap("gallery:prompt")],
        ["gallery-prompt-back", (walk) => walk.tap("gallery:show")],
        ["gallery-filters", (walk) => walk.tap("filter:open")],
        ["gallery-filters-set", (walk) => walk.tap("filter:type:imagen4")],
        ["gallery-dates", (walk) => walk.tap("filter:dates")],
        ["gallery-calendar", (walk) => walk.tap("filter:month")],
        ["gallery-dates-back", (walk) => walk.tap("filter:dates")],
        ["gallery-today", (walk) => walk.tap("filter:period:today")],
        ["gallery-words", (walk) => walk.tap("filter:words")],
        ["gallery-words-back", (walk) => walk.tap("filter:open")],
        ["gallery-filtered", (walk) => walk.tap("gallery:open")],
        ["gallery-delete", (walk) => walk.tap("gallery:delete")],
        ["gallery-deleted", (walk) => walk.tap("gallery:remove")],
        ["gallery-statistics", (walk) => walk.tap("statistics:open")],
        ["gallery-statistics-back", (walk) => walk.tap("gallery:open")],
        ["cancelled", async (walk) => {
            await order(walk);
            await walk.tap("generation:cancel");
            await walk.untilGone("generation:cancel");
        }, { "fal.seconds": 60 }],
        ["refused", async (walk) => {
            await order(walk);
            await walk.reads(/🚫/);
        }, { "fal.seconds": null, "fal.fail": { status: 422, type: "content_policy_violation" } }],
        ["failed", async (walk) => {
            await order(walk);
            await walk.reads(/😔/);
        }, { "fal.fail": { status: 500, type: "internal_server_error" } }],
        ["balance", (walk) => walk.say("/balance"), { "fal.fail": null }],
    ],
    styles: [
        ["catalogue", async (walk) => {
            await walk.say("/create");
            await walk.tap("style:open");
        }],
        ["category", (walk) => walk.tap("style:category", "fantasy")],
        ["list", (walk) => walk.tap("style:group", "heroes")],
        ["card-no-avatar", (walk) => walk.tap("style:show", "knight")],
        ["card", async (walk) => {
            await giveAvatar(walk);
            await walk.tap("style:group");
            await walk.tap("style:show", "knight");
        }],
        ["card-favorite", (walk) => walk.tap("style:mark")],
        ["options", (walk) => walk.tap("style:take")],
        ["favorites", async (walk) => {
            await walk.tap("style:show");
            await walk.tap("style:group");
            await walk.tap("style:category");
            await walk.tap("style:open");
            await walk.tap("style:favorites");
        }],
        ["popular-empty", async (walk) => {
            await walk.tap("style:open");
            await walk.tap("style:popular");
        }],
        ["search", async (walk) => {
            await walk.tap("style:open");
            await walk.tap("style:search");
        }],
        ["found", (walk) => walk.say(walk.language === "ru" ? "море" : "sea")],
        ["not-found", (walk) => walk.say("zebra")],
        ["quick", async (walk) => {
            await walk.say("/settings");
            await walk.tap("settings:quick", "1");
            await walk.say("/create");
            await walk.tap("style:open");
            await walk.tap("style:category", "city");
            await walk.tap("style:group", "cafe");
            await walk.tap("style:show", "morning_coffee");
        }],
        ["no-coins", async (walk) => {
            await leaveCoins(walk, 0);
            await walk.tap("style:make");
        }],
    ],
    sample: [
        ["ask", async (walk) => {
            await walk.say("/create");
            await walk.tap("sample:open");
        }],
        ["looking", (walk) => walk.show([portrait(3)], /Смотрю|Looking/), { "openai.seconds": 8 }],
        ["words", (walk) => walk.until("sample:imagen"), { "openai.seconds": null }],
        ["options", (walk) => walk.tap("sample:imagen")],
        ["options-own-words", (walk) => walk.say(word(walk, "picture"))],
        ["done", async (walk) => {
            await walk.tap("imagen:make");
            await walk.until("imagen:edit");
        }],
        ["edit", (walk) => walk.tap("imagen:edit")],
        ["edit-options", (walk) => walk.say(`${word(walk, "picture")} 2`)],
        ["edit-back", (walk) => walk.tap("order:drop")],
        ["refused", async (walk) => {
            await walk.say("/create");
            await walk.show([portrait(7, { width: 150, height: 200 })], /слишком маленькое|too small/);
        }],
        ["away", async (walk) => {
            await walk.show([portrait(4)], /не отвечает как надо|does not answer as it should/);
        }, { "openai.quota:chat": true }],
        ["cancelled", async (walk) => {
            await walk.show([portrait(5)], /Смотрю|Looking/);
            await walk.tap("sample:cancel");
        }, { "openai.quota:chat": null, "openai.seconds": 20 }],
        ["quick", async (walk) => {
            await walk.say("/settings");
            await walk.tap("settings:quick:1");
            await walk.say("/create");
        }, { "openai.seconds": null }],
        ["quick-done", async (walk) => {
            await walk.show([portrait(6)], /Принято|On it|Рисую|Drawing|очереди|queue/);
            await walk.until("imagen:again");
        }],
    ],
    topup: [
        ["packages", async (walk) => {
            await walk.say("/profile");
            await walk.tap("topup:open");
        }],
        ["invoice", (walk) => walk.tap("topup:buy", "250")],
        ["refused", async (walk) => {
            await ground.sql("update users set is_blocked = true where telegram_id = :id;", { id: walk.user });
            await walk.pay();
            await ground.sql("update users set is_blocked = false where telegram_id = :id;", { id: walk.user });
        }],
        ["receipt", async (walk) => {
            await closeAlert(walk);
            await walk.pay();
        }],
        ["no-coins", async (walk) => {
            await walk.say("/create");
            await walk.say(word(walk, "picture"));
            await leaveCoins(walk, 0);
            await walk.tap("imagen:make");
        }],
        ["packages-here", (walk) => walk.tap("topup:open")],
        ["invoice-here", (walk) => walk.tap("topup:buy", "500")],
        ["receipt-here", (walk) => walk.pay()],
        ["back", (walk) => walk.tap("dialog:resume")],
        ["history", (walk) => walk.say("/balance")],
        ["paysupport", (walk) => walk.say("/paysupport")],
        ["terms", (walk) => walk.say("/terms")],
        ["privacy", (walk) => walk.say("/privacy")],
        ["refunded", async (walk) => {
            await ground.sql("select payment_refund(charge_id, true) from payments where user_id = (select id from users where telegram_id = :id) order by created_at desc limit 1", { id: walk.user });
            await walk.reads(/⭐ returned|Возвращено/, 2);
        }],
    ],
    promo: [
        ["balance", async (walk) => {
            await makePromos();
            await walk.say("/balance");
        }],
        ["ask", (walk) => walk.tap("promo:open")],
        ["unknown", (walk) => walk.say("SOMMER")],
        ["early", (walk) => walk.say("EARLY")],
        ["late", (walk) => walk.say("LATE")],
        ["used-up", (walk) => walk.say("GONE")],
        ["given", (walk) => walk.say("summer")],
        ["used", (walk) => walk.say("/promo SUMMER")],
        ["bonus", (walk) => walk.say("/promo PLUS")],
        ["replaced", (walk) => walk.say("/promo AUTUMN")],
        ["stands", (walk) => walk.say("/promo AUTUMN")],
        ["packages", async (walk) => {
            await walk.say("/profile");
            await walk.tap("topup:open");
        }],
        ["invoice", (walk) => walk.tap("topup:buy", "250")],
        ["receipt", (walk) => walk.pay()],
        ["history", (walk) => walk.say("/balance")],
        ["invoice-over", async (walk) => {
            await walk.say("/promo PLUS");
            await walk.say("/profile");
            await walk.tap("topup:open");
            await walk.tap("topup:buy", "500");
            await walk.say("/promo AUTUMN");
            await walk.pay();
        }],
        ["link", async (walk) => {
            await closeAlert(walk);
            await walk.say("/start promo_PLUS");
        }],
        ["no-coins", async (walk) => {
            await walk.say("/create");
            await walk.say(word(walk, "picture"));
            await leaveCoins(walk, 0);
            await walk.tap("imagen:make");
        }],
        ["no-coins-ask", (walk) => walk.tap("promo:open")],
        ["no-coins-back", (walk) => walk.tap("dialog:resume")],
        ["too-often", async (walk) => {
            await ground.sql("update promo_tries set wrong = 10");
            await walk.say("/promo SUMMER");
        }],
    ],
    upload: [
        ["none", (walk) => walk.say("/avatars")],
        ["consent", (walk) => walk.tap("avatar:new")],
        ["type", (walk) => walk.tap("avatar:agree")],
        ["type-words", (walk) => walk.say("?")],
        ["gender", (walk) => walk.tap("avatar:portrait")],
        ["name", (walk) => walk.tap("avatar:gender", "female")],
        ["bad-name", (walk) => walk.say("Я")],
        ["photos-0", (walk) => walk.say(word(walk, "name"))],
        ["tips", (walk) => walk.tap("photos:tips")],
        ["words", async (walk) => {
            await walk.tap("photos:open");
            await walk.say("?");
        }],
        ["checking", (walk) => walk.show(portraits(2), /: 2/), { "store.answer": 503 }],
        ["photos-7", async (walk) => {
            await walk.reads(kept(2));
            await walk.show(portraits(5, { from: 3 }), kept(7));
        }, { "store.answer": null }],
        ["refused-small", (walk) => walk.show([tooSmall(101)], /: 1/)],
        ["refused-duplicate", (walk) => walk.show([portrait(3)], /: 2/)],
        ["refused-alike", (walk) => walk.show([portrait(4, { near: 1 })], /: 3/)],
        ["refused-broken", (walk) => walk.show([broken(102)], /: 4/, { asFiles: true })],
        ["refused-format", (walk) => walk.show([notPicture], /: 5/, { asFiles: true })],
        ["doubtful", async (walk) => {
            await walk.show([portrait(8, { blurred: true, dark: true })], kept(8));
            await walk.page.waitForTimeout(500);
        }],
        ["doubtful-kept", (walk) => walk.tap("photos:keep")],
        ["doubtful-alike", (walk) => walk.show([portrait(5, { drift: 0.25 })], kept(9))],
        ["doubtful-removed", async (walk) => {
            await walk.tap("photos:remove");
            await walk.reads(kept(8), 9);
        }],
        ["photos-12", (walk) => walk.show(portraits(4, { from: 20 }), kept(12))],
        ["viewer", (walk) => walk.tap("photos:show")],
        ["viewer-older", (walk) => walk.tap("photos:older")],
        ["viewer-delete", (walk) => walk.tap("photos:delete")],
        ["viewer-kept", (walk) => walk.tap("photos:view")],
        ["viewer-deleted", async (walk) => {
            await walk.tap("photos:delete");
            await walk.tap("photos:delete_yes");
        }],
        ["back", (walk) => walk.tap("photos:open")],
        ["photos-20", (walk) => walk.show(portraits(9, { from: 30 }), kept(20))],
        ["photos-full", (walk) => walk.show([portrait(40)], /не поместил|over the limit/)],
        ["drop", (walk) => walk.tap("avatar:delete")],
        ["card-draft", (walk) => walk.say("/avatars")],
        ["draft-exists", (walk) => walk.tap("avatar:new")],
        ["rename", async (walk) => {
            await walk.say("/avatars");
            await walk.tap("avatar:rename");
        }],
        ["renamed", (walk) => walk.say(word(walk, "newName"))],
        ["photo-astray", async (walk) => {
            await walk.say("/menu");
            await walk.show([portrait(50)], /📷/);
        }],
    ],
    training: [
        ["unfinished", async (walk) => {
            await beginAvatar(walk, "name", "portrait", "female");
            await walk.show(portraits(10), kept(10));
            await walk.say("/create");
            await walk.tap("flux:open");
        }],
        ["card-ready", (walk) => walk.say("/avatars")],
        ["options", (walk) => walk.tap("training:open")],
        ["fast", (walk) => walk.tap("training:preset", "fast")],
        ["quality", (walk) => walk.tap("training:preset", "quality")],
        ["ordered", (walk) => walk.tap("training:start"), { "fal.training_seconds": 45, "store.answer": 503 }],
        ["queued", (walk) => walk.reads(/🕓/), { "store.answer": null }],
        ["running", (walk) => walk.reads(/\d%/)],
        ["card-training", (walk) => walk.say("/avatars")],
        ["delete-training", (walk) => walk.tap("avatar:delete")],
        ["progress", async (walk) => {
            await closeAlert(walk);
            await walk.tap("training:show");
        }],
        ["stop", (walk) => walk.tap("training:cancel")],
        ["kept", (walk) => walk.tap("training:show")],
        ["done", (walk) => walk.reads(/🎁/, 3)],
        ["card-done", (walk) => walk.say("/avatars")],
        ["delete", (walk) => walk.tap("avatar:delete")],
        ["object-failed", async (walk) => {
            await beginAvatar(walk, "object", "object");
            await train(walk, 60);
            await walk.reads(/😔/);
        }, { [`fal.fail:${trainers.object}`]: { status: 500, type: "internal_server_error" } }],
        ["card-failed", async (walk) => {
            await walk.say("/avatars");
            await walk.tap("avatar:show");
        }],
        ["object-refused", async (walk) => {
            await walk.tap("training:open");
            await walk.tap("training:start");
            await walk.reads(/🚫/);
        }, { [`fal.fail:${trainers.object}`]: { status: 422, type: "content_policy_violation" } }],
        ["called-off", async (walk) => {
            await walk.say("/avatars");
            await walk.tap("avatar:show");
            await walk.tap("training:open");
            await walk.tap("training:start");
            await walk.tap("training:cancel");
            await walk.reads(/✖️/);
        }, { [`fal.fail:${trainers.object}`]: null, "store.answer": 503 }],
        ["stopping", async (walk) => {
            await walk.say("/avatars");
            await walk.tap("avatar:show");
            await walk.tap("training:open");
            await walk.tap("training:start");
            await walk.reads(/\d%/);
            await walk.tap("training:cancel");
            await walk.tap("training:stop");
        }, { "store.answer": null, "fal.training_seconds": 30 }],
        ["stopped", (walk) => walk.reads(/потрачено|spent/)],
        ["card-stopped", async (walk) => {
            await walk.say("/avatars");
            await walk.tap("avatar:show");
        }],
        ["second-done", async (walk) => {
            await walk.tap("training:open");
            await walk.tap("training:start");
            await walk.reads(/🎁/, 3);
        }, { "fal.training_seconds": 2 }],
        ["cards", (walk) => walk.say("/avatars")],
        ["card-second", (walk) => walk.tap("avatar:show")],
        ["flux-words", async (walk) => {
            await walk.say("/create");
            await walk.tap("flux:open");
        }],
        ["flux-avatars", (walk) => walk.tap("flux:avatar")],
        ["flux-options", async (walk) => {
            await walk.tap("flux:use");
            await walk.say(word(walk, "self"));
        }],
        ["flux-chosen", async (walk) => {
            await walk.tap("flux:ratio", "9:16");
            await walk.tap("flux:count", "3");
            await walk.tap("flux:quality", "ultra");
        }],
        ["flux-ordered", (walk) => walk.tap("flux:make")],
        ["flux-running", (walk) => walk.reads(/Рисую|Drawing/)],
        ["flux-done", (walk) => walk.until("flux:again")],
        ["flux-hidden", async (walk) => {
            await drawWith(walk, "[nsfw 2]");
            await walk.until("flux:again");
        }],
        ["flux-nsfw", async (walk) => {
            await drawWith(walk, "[nsfw]");
            await walk.reads(/🚫/);
        }],
        ["flux-unsafe", async (walk) => {
            await drawWith(walk, "[unsafe]");
            await walk.reads(/🚫/);
        }],
        ["flux-broken", async (walk) => {
            await drawWith(walk, "[broken]");
            await walk.reads(/😔/);
        }],
        ["gallery", (walk) => walk.say("/gallery")],
        ["balance", (walk) => walk.say("/balance")],
        ["no-coins", async (walk) => {
            await beginAvatar(walk, "newName", "portrait", "male");
            await walk.show(portraits(10, { from: 80 }), kept(10));
            await walk.tap("training:open");
        }],
        ["too-many", async (walk) => {
            await walk.say("/avatars");
            await fillAvatars(walk);
            await walk.tap("avatar:new");
        }],
    ],
    profile: [
        ["profile", async (walk) => {
            await walk.say("/start");
            await fillMonth(walk);
            await walk.say("/profile");
        }],
        ["history", (walk) => walk.tap("balance:open")],
        ["history-older", (walk) => walk.tap("balance:older")],
        ["statistics", async (walk) => {
            await walk.say("/profile");
            await walk.tap("statistics:open");
        }],
        ["chart", async (walk) => {
            await walk.tap("statistics:chart");
            await walk.reads(/📈 (The last|Последние) 30/);
        }],
        ["settings", (walk) => walk.say("/settings")],
        ["pictures", (walk) => walk.tap("pictures:open")],
        ["zones", async (walk) => {
            await walk.tap("settings:open");
            await walk.tap("zone:open");
        }],
        ["zones-west", (walk) => walk.tap("zone:open", "west")],
        ["settings-quick", async (walk) => {
            await walk.say("/settings");
            await walk.tap("settings:quick", "1");
        }],
        ["words-quick", async (walk) => {
            await walk.say("/create");
            await walk.tap("imagen:open");
        }],
        ["ordered-quick", (walk) => walk.say(word(walk, "picture"))],
        ["result-details", async (walk) => {
            await walk.say("/settings");
            await walk.tap("settings:details", "1");
            await walk.until("imagen:again");
        }],
    ],
    limits: [
        ["no-coins", async (walk) => {
            await walk.say("/create");
            await walk.say(word(walk, "picture"));
            await walk.tap("imagen:count", "4");
            await leaveCoins(walk, 3);
            await walk.tap("imagen:make");
        }],
        ["no-coins-back", (walk) => walk.tap("dialog:resume")],
        ["no-coins-first", async (walk) => {
            await walk.say("/create");
            await walk.tap("imagen:open");
        }],
        ["day-reached", async (walk) => {
            await walk.say("/create");
            await walk.say(word(walk, "picture"));
            await spendToday();
            await leaveCoins(walk, 500);
            await walk.tap("imagen:make");
        }],
        ["day-reached-again", async (walk) => {
            await walk.tap("dialog:resume");
            await walk.tap("imagen:make");
        }],
        ["photos-of-day", async (walk) => {
            await spendToday(0);
            await beginAvatar(walk, "name", "portrait", "female");
            await ground.sql(`insert into free_uses (user_id, thing, day, uses)
                select id, 'photo', (now() at time zone 'UTC')::date, 100000 from users where telegram_id = :id;`, { id: walk.user });
            await walk.show([portrait(90)], /🌙/);
        }],
    ],
};

// What stands in the chat stays where it is when the page changes its size or its colours.
async function picture(page, name, language) {
    for (const [size, box] of Object.entries(sizes)) {
        await page.setViewportSize(box);
        for (const scheme of schemes) {
            await page.emulateMedia({ colorScheme: scheme });
            await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
            await page.screenshot({ path: `${folder}/${[language, size, scheme].filter(Boolean).join("-")}/${name}.png` });
        }
    }
}

// A screen that cannot be reached is reported and does not hide those after it.
async function show(walk, name, go) {
    let failures = 0;
    try {
        await go(walk);
    } catch (error) {
        failures++;
        console.error(`${walk.language} ${name}: ${error.message.split("\n")[0]}`);
    }
    await picture(walk.page, name, walk.language);
    return failures;
}

async function setFaults(faults) {
    for (const [name, value] of Object.entries(faults)) await ground.fault(name, value);
}

async function goJourney(browser, journey) {
    const walks = await Promise.all(Object.entries(locales).map(async ([language, locale]) => {
        const walk = await Walk.begin(browser, ground, language, { ...sizes.wide, language: locale });
        return Object.assign(walk, { language });
    }));
    let failures = 0;
    for (const [at, [screen, go, faults = {}]] of journeys[journey].entries()) {
        const name = `${journey}-${String(at + 1).padStart(2, "0")}-${screen}`;
        await setFaults(faults);
        const counts = await Promise.all(walks.map((walk) => show(walk, name, go)));
        failures += counts.reduce((sum, count) => sum + count, 0);
        console.log(name);
    }
    await ground.noFaults();
    for (const walk of walks) {
        for (const refusal of await walk.refusals()) console.error(`refused: ${refusal}`);
        for (const complaint of walk.page.complaints) console.error(`the browser: ${complaint}`);
        await walk.end();
    }
    return failures;
}

async function picturePage(browser, language) {
    const shoot = async (name, options, work = async () => {}) => {
        const page = await openChat(browser, ground.url, { ...options, language: locales[language] });
        const users = await page.locator(".person").evaluateAll((rows) => rows.slice(0, 2).map((row) => row.dataset.user));
        await page.goto(`${ground.url}/#${users.slice(0, options.width > 1500 ? 2 : 1).join(",")}`);
        await page.reload();
        await page.waitForSelector("body[data-ready]");
        await work(page);
        for (const scheme of schemes) {
            await page.emulateMedia({ colorScheme: scheme });
            await page.waitForTimeout(400);
            await page.screenshot({ path: `${folder}/page/${language}-${name}-${scheme}.png` });
        }
        console.log(`page ${name}`);
        await page.context().close();
    };
    const open = (drawer) => (page) => page.locator(drawer).first().click();
    await shoot("wide", { width: 1600, height: 950 }, async (page) => {
        await page.locator("#faults summary").click();
        await page.locator(".call-head").first().click();
    });
    await shoot("new-user", sizes.wide, open("#person-add"));
    await shoot("narrow", sizes.narrow);
    await shoot("narrow-users", sizes.narrow, open(".column .bar .only-narrow"));
    await shoot("narrow-calls", sizes.narrow, open(".column .bar .panel-open"));
}

// From /admin in the chat through the link that works once.
async function pictureStatus(browser) {
    const admin = new Person(ground, Number(ground.settings.TELEGRAM_ADMIN_IDS.split(",")[0]));
    await admin.say("/admin");
    const message = await admin.see((one) => one.markup?.inline_keyboard?.flat().some((button) => button.url));
    const link = message.markup.inline_keyboard.flat().find((button) => button.url).url;
    const context = await browser.newContext({ viewport: sizes.wide, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    const shoot = async (name) => {
        for (const [size, box] of Object.entries(sizes)) {
            await page.setViewportSize(box);
            for (const scheme of schemes) {
                await page.emulateMedia({ colorScheme: scheme });
                await page.screenshot({ path: `${folder}/status/${name}-${size}-${scheme}.png`, fullPage: true });
            }
        }
        console.log(`status ${name}`);
    };
    await page.goto(`${ground.origin}/status`);
    await shoot("closed");
    await page.goto(link);
    await shoot("login");
    await page.locator("form button").click();
    await page.waitForLoadState();
    await shoot("page");
    await context.close();
}

for (const language of Object.keys(locales))
    for (const size of Object.keys(sizes))
        for (const scheme of schemes) mkdirSync(`${folder}/${language}-${size}-${scheme}`, { recursive: true });
for (const name of ["page", "status"]) mkdirSync(`${folder}/${name}`, { recursive: true });

const isWanted = (name) => !wanted.length || wanted.includes(name);
const browser = await openBrowser();
let failures = 0;
try {
    for (const journey of Object.keys(journeys).filter(isWanted)) failures += await goJourney(browser, journey);
    if (isWanted("page")) for (const language of Object.keys(locales)) await picturePage(browser, language);
    if (isWanted("status")) await pictureStatus(browser);
} finally {
    await ground.noFaults();
    await browser.close();
}
process.exitCode = failures ? 1 : 0;
