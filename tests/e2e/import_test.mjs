// import_test.mjs - a database and a store as the predecessor left them, brought
// over by `aisha import`: people see their coins, avatars, images and transcripts.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { operator } from "./lib/aisha.mjs";
import { OwnGround, run } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { Store } from "./lib/store.mjs";

let ground, aisha, store, old;
const one = 7_100_000_001, two = 7_100_000_002;
const ids = Object.fromEntries(["one", "two", "avatar", "style", "draft", "photo", "image", "lost", "imagen", "video", "transcript", "gone"].map((name) => [name, randomUUID()]));
const pixel = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

// As its migrations left it: enums by name in upper case where the program wrote them, in lower case
// where PostgreSQL has a type; times with and without a zone; coins with decimals.
const schema = `
create type avatargender as enum ('male', 'female');
create table users (id uuid primary key, telegram_id varchar(50) unique not null, first_name varchar(64) not null, last_name varchar(64), username varchar(64), language_code varchar(8) default 'ru', timezone varchar(32) default 'UTC+5', is_premium bool default false, is_bot bool default false, is_blocked bool default false, created_at timestamptz default now(), updated_at timestamptz default now());
create table user_balances (id uuid primary key, user_id uuid unique not null references users, coins float not null default 0, created_at timestamptz default now(), updated_at timestamptz default now());
create table user_settings (id uuid primary key, user_id uuid unique references users, default_aspect_ratio varchar(10), auto_enhance_prompts bool, language_preference varchar(5), show_technical_details bool, quick_generation_mode bool, created_at timestamptz, updated_at timestamptz);
create table avatars (id uuid primary key, user_id uuid not null references users, name varchar(100) not null, gender avatargender not null, avatar_type varchar(20) not null default 'CHARACTER', training_type varchar(20) not null default 'PORTRAIT', status varchar(30) not null default 'DRAFT', finetune_id varchar(255), fal_request_id varchar(255), training_progress int not null default 0, training_started_at timestamptz, training_completed_at timestamptz, fal_mode varchar(20) default 'character', fal_iterations int default 500, fal_priority varchar(20) default 'QUALITY', trigger_word varchar(50) default 'TOK', lora_rank int default 32, learning_rate float, finetune_type varchar(10) default 'LORA', finetune_comment varchar(255), trigger_phrase varchar(100), steps int, multiresolution_training bool default true, subject_crop bool default true, create_masks bool default false, captioning bool default true, diffusers_lora_file_url varchar(500), config_file_url varchar(500), training_logs text, training_error text, webhook_url varchar(500), last_status_check timestamptz, avatar_data json default '{}', training_config json default '{}', fal_response_data json default '{}', photos_count int default 0, generations_count int default 0, is_main bool default false, created_at timestamptz default now(), updated_at timestamptz default now());
create table avatar_photos (id uuid primary key, avatar_id uuid references avatars, user_id uuid references users, minio_key varchar(255), file_hash varchar(64), upload_order int, validation_status varchar(20) default 'PENDING', file_size int, width int, height int, format varchar(10), has_face bool, quality_score float, validation_error text, photo_metadata json, created_at timestamptz default now(), validated_at timestamptz);
create table image_generations (id uuid primary key, user_id uuid not null references users, avatar_id uuid references avatars, template_id varchar(50), generation_type varchar(50) not null default 'avatar', source_model varchar(100), original_prompt varchar(1000) not null, final_prompt varchar(3000) not null, quality_preset varchar(50) default 'balanced', aspect_ratio varchar(10) default '1:1', num_images int default 1, status varchar(20) not null, result_urls json default '[]', generation_time float, error_message varchar(1000), prompt_metadata json, created_at timestamp default now(), completed_at timestamp, is_favorite bool default false, is_saved bool default true);
create table user_transcripts (id uuid primary key, user_id uuid not null references users, audio_key varchar(255), transcript_key varchar(255), transcript_metadata json default '{}', created_at timestamptz default now(), updated_at timestamptz default now());`;

before(async () => {
    ground = await OwnGround.start("import", { settings: { WELCOME_COINS: 100 } });
    aisha = operator(ground);
    store = new Store(ground.settings);
    const link = (bucket, key) => `http://minio.old:9000/${bucket}/${key}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=abc`;
    const lora = `http://minio.old:9000/photos/lora.safetensors?X-Amz-Signature=abc`;
    await run("createdb", ["-h", ground.settings.PGHOST, "-U", "postgres", "predecessor"]);
    await run("psql", ["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", ground.settings.PGHOST, "-U", "postgres", "-d", "predecessor"], { input: `${schema}
        insert into users values ('${ids.one}', '${one}', 'Ася', null, 'asya', 'ru', 'UTC+3', true, false, false, '2025-06-01 12:00:00+03', now()),
            ('${ids.two}', '${two}', 'Bob', 'Smith', null, 'en', 'Europe/London', false, false, true, now(), now()),
            (gen_random_uuid(), 'test_user', 'Nobody', null, null, 'ru', 'UTC+5', false, false, false, now(), now());
        insert into user_balances values (gen_random_uuid(), '${ids.one}', 214.6), (gen_random_uuid(), '${ids.two}', 0);
        insert into user_settings values (gen_random_uuid(), '${ids.one}', '16:9', false, 'ru', true, true, now(), now());
        insert into avatars (id, user_id, name, gender, status, training_type, trigger_phrase, diffusers_lora_file_url, photos_count, is_main, steps, created_at) values
            ('${ids.avatar}', '${ids.one}', 'Я', 'female', 'COMPLETED', 'PORTRAIT', 'TOK_asya', '${lora}', 12, true, 1000, '2025-06-02 10:00:00+00'),
            ('${ids.style}', '${ids.one}', 'Неон', 'female', 'COMPLETED', 'STYLE', null, '${link("photos", "missing.safetensors")}', 10, false, 1500, now()),
            ('${ids.draft}', '${ids.one}', 'Черновик', 'female', 'DRAFT', 'PORTRAIT', null, null, 2, false, null, now());
        insert into avatar_photos (id, avatar_id, user_id, minio_key, file_hash, upload_order, validation_status, width, height, format) values
            ('${ids.photo}', '${ids.avatar}', '${ids.one}', 'avatars/a/b/photo_1.jpg', 'd41d8cd98f00b204e9800998ecf8427e', 1, 'VALID', 800, 900, 'JPEG');
        insert into image_generations (id, user_id, avatar_id, generation_type, original_prompt, final_prompt, aspect_ratio, status, result_urls, created_at, completed_at, is_favorite) values
            ('${ids.image}', '${ids.one}', '${ids.avatar}', 'avatar', 'в лесу', 'TOK_asya in a forest', '3:4', 'COMPLETED', '["${link("generated", "2025/06/03/x_00.jpg")}", "${link("generated", "2025/06/03/x_01.jpg")}"]', '2025-06-03 08:00:00', null, true),
            ('${ids.lost}', '${ids.one}', null, 'imagen4', 'потеряно', 'lost', '1:1', 'completed', '["${link("imagen4", "never.jpg")}"]', now(), now(), false),
            ('${ids.imagen}', '${ids.two}', null, 'imagen4', 'a lake', 'a lake', 'weird', 'completed', '["${link("imagen4", "y.png")}"]', now(), now(), false),
            ('${ids.video}', '${ids.two}', null, 'video', 'no', 'no', '1:1', 'completed', '["x"]', now(), now(), false);
        insert into user_transcripts values ('${ids.transcript}', '${ids.one}', null, 'u/t/transcript.txt', '{"source": "voice", "duration": 75.5, "file_name": "встреча.ogg", "word_count": 3}', '2025-06-04 09:00:00+00', now()),
            ('${ids.gone}', '${ids.one}', null, 'u/gone/transcript.txt', '{}', now(), now());` });
    for (const [bucket, key, body, type] of [["generated", "2025/06/03/x_00.jpg", pixel, "image/png"], ["generated", "2025/06/03/x_01.jpg", Buffer.concat([pixel, pixel]), "image/png"], ["imagen4", "y.png", pixel, "image/png"], ["photos", "lora.safetensors", Buffer.from("lora"), "application/octet-stream"], ["avatars", "avatars/a/b/photo_1.jpg", pixel, "image/jpeg"], ["aisha", "u/t/transcript.txt", "раз два три", "text/plain"]])
        await store.put(bucket, key, body, type);
    old = `postgresql://postgres@/predecessor?host=${ground.settings.PGHOST}`;
});

after(() => ground?.end());

const nothing = { brought: 0, known: 0, lost: 0 };

test("what would be brought is counted first, and nothing is written", async () => {
    const counted = aisha(["import", old, "--dry-run", "--json"]);
    assert.equal(counted.status, 0, counted.err);
    const { people, avatars, coins } = counted.json();
    assert.deepEqual([people.brought, avatars.brought, coins], [2, 2, 215]);
    assert.equal((await ground.row("select count(*)::int as n from users where telegram_id in (:one, :two)", { one, two })).n, 0);
});

test("people come with their coins, avatars, images and transcripts", async () => {
    const brought = aisha(["import", old, "--json"]);
    assert.equal(brought.status, 0, brought.err);
    assert.deepEqual(brought.json(), { dry_run: false, coins: 215, people: { ...nothing, brought: 2 }, balances: { ...nothing, brought: 1 },
        avatars: { ...nothing, brought: 2 }, photos: { ...nothing, brought: 1 }, images: { ...nothing, brought: 3, lost: 1 }, transcripts: { ...nothing, brought: 1, lost: 1 } });

    const asya = await ground.row("select u.*, s.default_aspect_ratio, s.quick_generation_mode, s.auto_enhance_prompts, (ledger_balance(u.id)).balance from users u join user_settings s on s.user_id = u.id where telegram_id = :one", { one });
    assert.deepEqual([asya.first_name, asya.username, asya.language_code, asya.timezone, asya.is_premium, asya.default_aspect_ratio, asya.quick_generation_mode, asya.auto_enhance_prompts, asya.balance],
        ["Ася", "asya", "ru", "UTC+3", true, "16:9", true, false, 215]);
    assert.equal(Date.parse(asya.created_at), Date.parse("2025-06-01T09:00:00Z"));
    const bob = await ground.row("select language_code, timezone, is_blocked from users where telegram_id = :two", { two });
    assert.deepEqual(bob, { language_code: "en", timezone: "UTC+5", is_blocked: true });

    const avatars = await ground.sql("select a.name, a.status, a.gender, a.training_type, a.is_main, a.steps, coalesce(a.trigger_phrase, a.trigger_word) as trigger, a.photo_key, f.object_key from avatars a left join avatar_files f on f.avatar_id = a.id order by a.created_at");
    assert.deepEqual(avatars.map(({ name, status, gender, training_type: type, is_main: main, steps, trigger }) => [name, status, gender, type, main, steps, trigger]),
        [["Avatar", "completed", "female", "portrait", true, 1000, "TOK_asya"], ["Неон", "completed", null, "style", false, 1500, "TOK"]]);
    assert.equal(String(await store.get("avatars", avatars[0].object_key)), "lora");
    assert.deepEqual(await store.get("avatars", avatars[0].photo_key), pixel);

    const images = await ground.sql("select i.bucket, i.object_key, i.is_favorite, i.position, i.aspect_ratio, i.avatar_id, g.original_prompt, g.created_at from images i join image_generations g on g.id = i.generation_id where g.id = :'id' order by i.position", { id: ids.image });
    assert.deepEqual(images.map(({ position, is_favorite: favorite, aspect_ratio: ratio, avatar_id: avatar, original_prompt: words }) => [position, favorite, ratio, avatar, words]),
        [[0, true, "3:4", ids.avatar, "в лесу"], [1, false, "3:4", ids.avatar, "в лесу"]]);
    assert.equal(Date.parse(images[0].created_at), Date.parse("2025-06-03T08:00:00Z"));
    assert.deepEqual(await store.get(images[1].bucket, images[1].object_key), Buffer.concat([pixel, pixel]));

    const transcript = await ground.row("select name, source, status, duration_ms, words, text from user_transcripts where id = :'id'", { id: ids.transcript });
    assert.deepEqual(transcript, { name: "встреча.ogg", source: "voice", status: "completed", duration_ms: 75500, words: 3, text: "раз два три" });
    await checkLedger(ground);
});

test("done again it brings only what is new, and no coin twice", async () => {
    await ground.sql("do $$ begin perform ledger_debit((select id from users where telegram_id = 7100000001), 'test:spent', 15, 'adjustment', 'operator'); end $$");
    await run("psql", ["-XAtq", "-h", ground.settings.PGHOST, "-U", "postgres", "-d", "predecessor", "-c", `insert into users (id, telegram_id, first_name) values (gen_random_uuid(), '7100000003', 'New')`]);
    const again = aisha(["import", old, "--json"]).json();
    assert.deepEqual([again.people, again.balances, again.coins], [{ brought: 1, known: 2, lost: 0 }, { brought: 0, known: 1, lost: 0 }, 0]);
    assert.deepEqual([again.avatars, again.photos, again.images.brought, again.transcripts.brought], [{ brought: 0, known: 2, lost: 0 }, { brought: 0, known: 1, lost: 0 }, 0, 0]);
    assert.equal((await ground.row("select (ledger_balance(id)).balance from users where telegram_id = :one", { one })).balance, 200);
});

test("who was brought finds it all in the chat, and gets no welcome on top", async () => {
    const person = new Person(ground, one);
    await ground.control("person", { id: one, first_name: "Ася", language_code: "ru" });
    await person.say("/menu");
    await person.see(/200/);
    await person.say("/gallery");
    await person.see((message) => message.kind === "photo");
    await person.say("/history");
    await person.see((message) => JSON.stringify(message).includes("встреча")); // it is the name of a button
});

test("what is no predecessor is told apart", () => {
    const other = aisha(["import", `postgresql://postgres@/aisha?host=${ground.settings.PGHOST}`]);
    assert.equal(other.status, 1);
    assert.match(other.err, /a table cannot be read[^]*database of the predecessor/);
    assert.match(aisha(["import", "postgresql://postgres@/nothing?host=/nowhere"]).err, /no connection/);
});
