// chat_test.mjs - the chat page in Chromium, against a sandbox of its own. The
// test is the bot: what it says must show, what the person does must reach it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Chat, openBrowser, openChat } from "./lib/browser.mjs";
import { broken, notPicture, portrait, portraits, tooWide } from "./lib/photos.mjs";
import { picture, upload } from "./lib/picture.mjs";
import { keyboard, PlayedBot, startSandbox } from "./lib/sandbox.mjs";

const asya = 1001;
const bob = 1002;
let sandbox, browser, bot, desk; // desk: a folder of files to send

before(async () => {
    desk = mkdtempSync(join(tmpdir(), "aisha-desk-"));
    sandbox = await startSandbox();
    bot = new PlayedBot(sandbox);
    browser = await openBrowser();
});

after(async () => {
    await browser?.close();
    await sandbox?.stop();
    rmSync(desk, { recursive: true, force: true });
});

// On the desk: the paths.
const lay = (files) => files.map(({ name, bytes }) => {
    writeFileSync(join(desk, name), bytes);
    return join(desk, name);
});

// What the bot loads by a file id.
async function load(fileId) {
    const { file_path: path, file_size: size } = await bot.call("getFile", { file_id: fileId });
    const bytes = Buffer.from(await (await fetch(`${sandbox.url}/telegram/file/bot${sandbox.token}/${path}`)).arrayBuffer());
    assert.equal(bytes.length, size);
    return bytes;
}

async function messages(user, count) {
    const all = [];
    while (all.length < count) all.push(await bot.message(user));
    return all;
}

// Opens the page, runs the work, and closes it; no complaint of the browser passes.
async function withPage(options, work) {
    const page = await openChat(browser, sandbox.url, options);
    try {
        await work(page);
        assert.deepEqual(page.complaints, []);
    } finally {
        await page.context().close();
    }
}

async function post(path, body) {
    const response = await fetch(`${sandbox.url}/${path}`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
}

// A user of the test's own, who has started the bot.
let nextUser = 5000;
async function newUser(name, language = "ru") {
    const id = nextUser++;
    assert.equal((await post("chat/user", { id, name, username: `user${id}`, language })).status, 200);
    assert.equal((await post("chat/send", { user: id, text: "/start" })).status, 200);
    await bot.message(id);
    return id;
}

async function visit(page, user) {
    await page.goto(`${sandbox.url}/#${user}`);
    await page.reload(); // another user behind the # alone loads nothing
    await page.waitForSelector("body[data-ready]");
    return new Chat(page, user);
}

const top = (locator) => locator.evaluate((element) => Math.round(element.getBoundingClientRect().top));
const shows = (locator) => locator.waitFor({ state: "visible", timeout: 10000 });
const leaves = (locator) => locator.waitFor({ state: "detached", timeout: 10000 });

test("an empty chat offers Start, and Start reaches the bot", () => withPage({}, async (page) => {
    const chat = new Chat(page, asya);
    assert.deepEqual((await page.locator(".person").evaluateAll((rows) => rows.map((row) => row.dataset.user))).sort(), ["1001", "1002", "1003"]);
    await chat.column.getByRole("button", { name: "Запустить" }).click();
    const message = await bot.message(asya);
    assert.equal(message.text, "/start");
    assert.equal(message.from.language_code, "ru");
    await shows(chat.bubble("/start"));
}));

test("text shows as it was formatted, and what looks like HTML stays text", () => withPage({}, async (page) => {
    const user = await newUser("Форма");
    const chat = await visit(page, user);
    await bot.send(user, '😀 <b>жирно <i>и косо</i></b> <code>x&lt;y</code> <a href="https://example.org/a?b=1&amp;c">ссылка</a> <tg-spoiler>тайна</tg-spoiler>'
        + '<blockquote>цитата</blockquote><pre><code class="language-c">int a;</code></pre> &lt;img src=x onerror=alert(1)&gt; /help');
    const text = chat.bubble("жирно").locator(".text");
    await shows(text);
    assert.equal(await text.locator("strong em").textContent(), "и косо");
    assert.equal(await text.locator("code").first().textContent(), "x<y");
    assert.equal(await text.locator("a").getAttribute("href"), "https://example.org/a?b=1&c");
    assert.equal(await text.locator("a").getAttribute("rel"), "noopener noreferrer");
    assert.equal(await text.locator("blockquote").textContent(), "цитата");
    assert.equal(await text.locator("pre").getAttribute("data-language"), "c");
    assert.equal(await text.locator("img").count(), 0);
    assert.match(await text.textContent(), /<img src=x onerror=alert\(1\)>/);
    await text.locator(".spoiler").press("Enter");
    assert.equal(await text.locator(".spoiler.shown").textContent(), "тайна");
    await text.locator(".command").click();
    assert.equal((await bot.message(user)).text, "/help");
}));

test("a tap spins until it is answered, the edit stays in place and keeps the focus", () => withPage({}, async (page) => {
    const user = await newUser("Ася");
    const { message_id } = await bot.send(user, "Сколько?", { reply_markup: keyboard([["➖", "less"], ["➕", "more"]], [["Готово", "done"]]) });
    await bot.send(user, "под ним");
    const chat = await visit(page, user);
    await shows(chat.message(message_id));
    assert.deepEqual(await chat.message(message_id).locator(".keys").evaluateAll((rows) => rows.map((row) => [...row.children].map((key) => key.textContent))),
        [["➖", "➕"], ["Готово"]]);

    await chat.key("➕").focus();
    await page.keyboard.press("Enter");
    const query = await bot.tap(user);
    assert.equal(query.data, "more");
    assert.equal(query.message.message_id, message_id);
    await shows(chat.message(message_id).locator(".busy"));

    const before = await top(chat.message(message_id));
    await bot.call("editMessageText", { chat_id: user, message_id, text: "Сколько? 2", reply_markup: keyboard([["➖", "less"], ["➕", "more"]], [["Готово", "done"]]) });
    await shows(chat.bubble("Сколько? 2"));
    assert.equal(await top(chat.message(message_id)), before);
    assert.match(await chat.message(message_id).locator(".stamp").textContent(), /изменено/);
    await bot.call("answerCallbackQuery", { callback_query_id: query.id, text: "Стало 2" });
    await shows(chat.column.locator(".toast", { hasText: "Стало 2" }));
    await leaves(chat.message(message_id).locator(".busy"));
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "➕");
}));

test("an alert opens over the page", () => withPage({}, async (page) => {
    const user = await newUser("Тревога");
    const chat = await visit(page, user);
    await bot.send(user, "Меню", { reply_markup: keyboard([["Удалить", "delete"]]) });
    await chat.key("Удалить").click();
    const query = await bot.tap(user);
    await bot.call("answerCallbackQuery", { callback_query_id: query.id, text: "Точно?", show_alert: true });
    const alert = page.getByRole("dialog");
    await shows(alert);
    assert.match(await alert.textContent(), /Точно\?/);
    await page.keyboard.press("Enter");
    await alert.waitFor({ state: "hidden" });
}));

test("a deleted message goes, and the bot is seen typing", () => withPage({}, async (page) => {
    const user = await newUser("Мира");
    const chat = await visit(page, user);
    const { message_id } = await bot.send(user, "исчезнет");
    await shows(chat.message(message_id));
    await bot.call("deleteMessage", { chat_id: user, message_id });
    await leaves(chat.message(message_id));
    await bot.call("sendChatAction", { chat_id: user, action: "typing" });
    await shows(chat.column.locator(".status", { hasText: "печатает" }));
    await bot.send(user, "вот");
    await shows(chat.bubble("вот"));
    assert.doesNotMatch(await chat.column.locator(".status").textContent(), /печатает/);
}));

test("photos, an album and a document reach the bot and show", () => withPage({}, async (page) => {
    const user = await newUser("Фото");
    const chat = await visit(page, user);
    const file = (name, colour) => ({ name, mimeType: "image/png", buffer: picture(640, 480, colour) });

    await chat.column.locator("input[data-kind=photo]").setInputFiles(file("a.png", [200, 90, 60]));
    await chat.type("один");
    const one = await bot.message(user);
    assert.equal(one.caption, "один");
    assert.ok(one.photo.length >= 2);
    await chat.message(one.message_id).locator("img").evaluate((image) => image.decode());

    await chat.column.locator("input[data-kind=photo]").setInputFiles([[60, 160, 90], [70, 90, 200], [200, 180, 60]].map((colour, at) => file(`${at}.png`, colour)));
    await chat.column.getByRole("button", { name: "Отправить" }).click();
    const album = [await bot.message(user), await bot.message(user), await bot.message(user)];
    assert.equal(new Set(album.map((message) => message.media_group_id)).size, 1);
    await shows(chat.message(album[0].message_id).locator(".grid-3"));
    assert.equal(await chat.message(album[0].message_id).locator(".grid img").count(), 3);

    await chat.column.locator("input[data-kind=document]").setInputFiles({ name: "заметки.txt", mimeType: "text/plain", buffer: Buffer.from("привет\n".repeat(200)) });
    await chat.type("файл");
    const paper = await bot.message(user);
    assert.equal(paper.document.file_name, "заметки.txt");
    const card = chat.message(paper.message_id).locator(".document");
    assert.match(await card.textContent(), /заметки\.txt.*2,5\sКБ/);

    await chat.message(one.message_id).locator("button.photo").click();
    await shows(page.locator("#photo-large"));
    await page.keyboard.press("Escape");
}));

test("a file dropped on the chat waits with a preview until it is sent", () => withPage({}, async (page) => {
    const user = await newUser("Бросок", "en");
    const chat = await visit(page, user);
    const data = await page.evaluateHandle((bytes) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], "drop.png", { type: "image/png" }));
        return transfer;
    }, [...picture(64, 64, [10, 120, 200])]);
    await chat.column.dispatchEvent("dragenter", { dataTransfer: data });
    await shows(chat.column.locator(".zone[data-kind=document]"));
    await chat.column.locator(".zone[data-kind=document]").dispatchEvent("drop", { dataTransfer: data });
    await shows(chat.column.locator(".tray", { hasText: "drop.png" }));
    await chat.column.getByRole("button", { name: "Send" }).click();
    assert.equal((await bot.message(user)).document.file_name, "drop.png");
    await chat.column.locator(".tray").waitFor({ state: "hidden" });
}));

test("twelve photos dropped from the desk travel as albums of ten and two", () => withPage({}, async (page) => {
    const user = await newUser("Альбомы");
    const chat = await visit(page, user);
    await chat.drop(lay(portraits(12, { width: 300, height: 400 })));
    const tray = chat.column.locator(".tray li");
    await page.waitForFunction((id) => document.querySelectorAll(`.column[data-user="${id}"] .tray li.photo`).length === 12, user);
    assert.equal(await chat.input.getAttribute("placeholder"), "Подпись");
    await chat.type("лето");
    const sent = await messages(user, 12);
    const groups = sent.map((message) => message.media_group_id);
    assert.deepEqual([...new Set(groups)].map((group) => groups.filter((other) => other === group).length), [10, 2]);
    assert.ok(groups[0] === groups[9] && groups[10] === groups[11]);
    assert.deepEqual(sent.map((message) => message.caption), ["лето", ...Array(11).fill(undefined)]);
    assert.deepEqual(sent.map((message) => message.message_id), sent.map((message) => message.message_id).toSorted((a, b) => a - b));
    await shows(chat.message(sent[0].message_id).locator(".grid-10"));
    await shows(chat.message(sent[11].message_id).locator(".grid-2"));
    await tray.first().waitFor({ state: "detached" });
    assert.equal(await chat.input.inputValue(), "");
}));

test("a photo is encoded anew in Telegram's sizes", () => withPage({}, async (page) => {
    const user = await newUser("Размеры");
    const chat = await visit(page, user);
    const small = { name: "small.png", bytes: picture(200, 80, [9, 90, 160]) }, large = { name: "large.png", bytes: picture(1500, 3000, [160, 90, 9]) };
    await chat.choose(lay([large, small]));
    await chat.column.getByRole("button", { name: "Отправить" }).click();
    const [first, second] = await messages(user, 2);
    assert.deepEqual(first.photo.map((size) => [size.width, size.height]), [[45, 90], [160, 320], [400, 800], [640, 1280], [1280, 2560]]);
    assert.deepEqual(second.photo.map((size) => [size.width, size.height]), [[90, 36], [200, 80]]);
    assert.equal(new Set([...first.photo, ...second.photo].map((size) => size.file_id)).size, 7);
    for (const size of first.photo) {
        const bytes = await load(size.file_id);
        assert.equal(bytes.length, size.file_size);
        assert.deepEqual([...bytes.subarray(0, 3)], [0xff, 0xd8, 0xff]);
    }
}));

test("a file chosen by the clip comes as it was, with a thumbnail", () => withPage({}, async (page) => {
    const user = await newUser("Файлы");
    const chat = await visit(page, user);
    const file = portrait(5);
    await chat.choose(lay([file]), "document");
    await chat.type("как есть");
    const { document, caption, photo } = await bot.message(user);
    assert.equal(photo, undefined);
    assert.equal(caption, "как есть");
    assert.deepEqual([document.file_name, document.mime_type, document.file_size], [file.name, "image/png", file.bytes.length]);
    assert.deepEqual([document.thumbnail.width, document.thumbnail.height], [240, 320]);
    assert.ok((await load(document.file_id)).equals(file.bytes));
    assert.deepEqual([...(await load(document.thumbnail.file_id)).subarray(0, 3)], [0xff, 0xd8, 0xff]);
    await chat.bubble("как есть").locator(".document img").evaluate((image) => image.decode());
}));

test("pictures become files and photos again while they wait, and what can be no photo stays a file", () => withPage({}, async (page) => {
    const user = await newUser("Выбор");
    const chat = await visit(page, user);
    await chat.drop(lay([portrait(6), tooWide(7), broken(8), notPicture, portrait(9)]));
    const photos = chat.column.locator(".tray li.photo");
    await page.waitForFunction((id) => document.querySelectorAll(`.column[data-user="${id}"] .tray li.photo`).length === 2, user);
    assert.equal(await chat.column.locator(".tray", { hasText: "уйдёт файлом" }).count(), 1);
    await chat.column.getByRole("button", { name: "Как файлы" }).click();
    assert.equal(await photos.count(), 0);
    await chat.column.getByRole("button", { name: "Как фото" }).click();
    assert.equal(await photos.count(), 2);
    await chat.column.getByRole("button", { name: "Отправить" }).click();
    const sent = await messages(user, 5);
    assert.deepEqual(sent.map((message) => message.document?.file_name ?? "photo"), ["photo", "photo", "portrait-7.png", "broken-8.png", "letter.jpg"]);
    assert.equal(new Set(sent.map((message) => message.media_group_id)).size, 2);
    await shows(chat.message(sent[2].message_id).locator(".document", { hasText: "letter.jpg" }));
}));

test("a pasted picture waits as a photo", () => withPage({}, async (page) => {
    const user = await newUser("Вставка");
    const chat = await visit(page, user);
    await chat.input.evaluate((input, bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
        input.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, [...picture(120, 160, [90, 20, 120])]);
    await shows(chat.column.locator(".tray li.photo"));
    await chat.column.getByRole("button", { name: "Отправить" }).click();
    assert.deepEqual((await bot.message(user)).photo.map((size) => size.width), [68, 120]);
}));

test("an upload shows how far it is, and can be given up", () => withPage({}, async (page) => {
    const user = await newUser("Долго");
    const chat = await visit(page, user);
    const session = await page.context().newCDPSession(page);
    const slowly = (bytesPerSecond) => session.send("Network.emulateNetworkConditions",
        { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond });
    await chat.drop(lay([{ name: "long.bin", bytes: Buffer.alloc(1 << 20, 7) }]), "document");
    await shows(chat.column.locator(".tray", { hasText: "long.bin" }));
    await slowly(100 << 10);
    await chat.column.getByRole("button", { name: "Отправить" }).click();
    const bar = chat.column.getByRole("progressbar");
    await shows(bar);
    await page.waitForFunction((id) => {
        const { value } = document.querySelector(`.column[data-user="${id}"] progress`);
        return value > 0 && value < 1;
    }, user);
    await chat.column.getByRole("button", { name: "Убрать: long.bin" }).click();
    await bar.waitFor({ state: "hidden" });
    await slowly(-1);
    await chat.column.getByRole("button", { name: "Отправить" }).click();
    assert.equal((await bot.message(user)).document.file_size, 1 << 20);
}));

test("an answer shows what it answers, and leads there", () => withPage({}, async (page) => {
    const user = await newUser("Ответы");
    const chat = await visit(page, user);
    await chat.choose(lay([portrait(10)]));
    await chat.type("это я");
    const { message_id: photo } = await bot.message(user);
    await chat.choose(lay([portrait(11)]));
    await chat.column.getByRole("button", { name: "Отправить" }).click();
    const { message_id: wordless } = await bot.message(user);
    await bot.send(user, "и это вы", { reply_parameters: { message_id: wordless } });
    await shows(chat.bubble("и это вы").locator(".quote", { hasText: "Фотография" }));
    for (let at = 0; at < 25; at++) await bot.send(user, `строка ${at}`);
    await bot.send(user, "слишком темно", { reply_parameters: { message_id: photo } });
    const quote = chat.bubble("слишком темно").locator(".quote");
    await shows(quote);
    assert.match(await quote.textContent(), /Ответы.*это я/);
    assert.equal(await quote.locator("img").count(), 1);
    await quote.click();
    await page.waitForFunction(([id, message]) => {
        const box = document.querySelector(`.column[data-user="${id}"] [data-messages~="${message}"]`).getBoundingClientRect();
        return box.top >= 0 && box.bottom <= innerHeight;
    }, [user, photo]);
    await bot.call("deleteMessage", { chat_id: user, message_id: photo });
    await leaves(chat.message(photo));
    await shows(chat.bubble("слишком темно").locator(".quote", { hasText: "Сообщение удалено" }));
}));

test("what the bot sends by upload and as an album shows", () => withPage({}, async (page) => {
    const user = await newUser("Альбом");
    const chat = await visit(page, user);
    const sent = await bot.call("sendPhoto", {
        chat_id: user, photo: upload(picture(512, 768, [90, 60, 160]), "p.png"), caption: "<b>готово</b>", parse_mode: "HTML",
        reply_markup: keyboard([["❤️", "like"]]),
    });
    await shows(chat.message(sent.message_id).locator(".text strong"));
    const group = await bot.call("sendMediaGroup", {
        chat_id: user, media: [0, 1, 2, 3].map((at) => ({ type: "photo", media: `attach://p${at}`, ...(at ? {} : { caption: "четыре" }) })),
        ...Object.fromEntries([0, 1, 2, 3].map((at) => [`p${at}`, upload(picture(400, 400, [60 * at, 120, 200]), `p${at}.png`)])),
    });
    await shows(chat.message(group[3].message_id).locator(".grid-4"));
    assert.match(await chat.message(group[0].message_id).locator(".text").textContent(), /^четыре/);
}));

test("the popup of commands speaks the user's language and is worked by keys", () => withPage({}, async (page) => {
    await bot.call("setMyCommands", { commands: [{ command: "menu", description: "Main menu" }, { command: "help", description: "How it works" }] });
    await bot.call("setMyCommands", { language_code: "ru", commands: [{ command: "menu", description: "Главное меню" }, { command: "help", description: "Как это работает" }] });
    const user = await newUser("Команда");
    const chat = await visit(page, user);
    await chat.input.pressSequentially("/");
    const options = chat.column.getByRole("option");
    await shows(options.first());
    assert.deepEqual(await options.allTextContents(), ["/menuГлавное меню", "/helpКак это работает"]);
    await chat.input.press("ArrowDown");
    assert.equal(await chat.column.locator("[aria-selected=true] b").textContent(), "/help");
    await chat.input.press("Enter");
    assert.equal((await bot.message(user)).text, "/help");
    await chat.input.pressSequentially("/me");
    assert.equal(await options.count(), 1);
    await chat.input.press("Escape");
    assert.equal(await options.count(), 0);
}));

test("a blocked bot is refused, and the log tells it", () => withPage({}, async (page) => {
    const user = await newUser("Замок");
    const chat = await visit(page, user);
    await chat.column.getByRole("button", { name: "Заблокировать бота" }).click();
    await shows(chat.column.getByRole("button", { name: "Разблокировать" }).last());
    await bot.next((update) => update.my_chat_member?.new_chat_member.status === "kicked");
    assert.deepEqual([(await sandbox.call("sendMessage", { chat_id: user, text: "ау" })).error_code], [403]);

    await page.locator("#filter-user").selectOption(String(user));
    await page.locator("#filter-refused").check();
    const refused = page.locator(".call.refused");
    await shows(refused.first());
    assert.equal(await refused.count(), 1);
    assert.match(await refused.textContent(), /sendMessage403.*bot was blocked by the user/);
    await refused.getByRole("button").click();
    assert.match(await refused.locator(".json").first().textContent(), /"text": "ау"/);
    assert.match(await refused.locator(".json").last().textContent(), /bot was blocked by the user/);

    await chat.column.locator(".unblock").click();
    await shows(chat.input);
}));

test("two chats stand side by side, each with its own messages", () => withPage({ users: [asya, bob], width: 1600 }, async (page) => {
    const [left, right] = [new Chat(page, asya), new Chat(page, bob)];
    await left.type("это Ася");
    await right.type("this is Bob");
    assert.equal((await bot.message(asya, (message) => message.text !== "/start")).text, "это Ася");
    assert.equal((await bot.message(bob)).text, "this is Bob");
    await shows(right.bubble("this is Bob"));
    assert.equal(await left.bubble("this is Bob").count(), 0);
    await right.column.getByRole("button", { name: "Close this chat" }).click();
    await leaves(right.column);
    await bot.send(bob, "news");
    await shows(page.locator(`.person[data-user="${bob}"] .count`));
    await page.locator(`.person[data-user="${bob}"]`).hover();
    await page.getByRole("button", { name: "Open beside: Bob" }).click();
    await shows(right.bubble("news"));
    assert.equal(await page.locator(`.person[data-user="${bob}"] .count`).count(), 0);
}));

test("a long chat loads by pages and keeps its place", () => withPage({}, async (page) => {
    const user = await newUser("Длинный");
    for (let at = 1; at <= 120; at++) await bot.send(user, `строка ${at}`);
    const chat = await visit(page, user);
    await shows(chat.bubble("строка 120"));
    assert.equal(await chat.column.locator(".message").count(), 50);
    const scroll = chat.column.locator(".scroll");
    const mark = chat.column.locator(".message", { hasText: "строка 75" });
    const before = await mark.evaluate((element) => {
        element.closest(".scroll").scrollTop = 200;
        return Math.round(element.getBoundingClientRect().top);
    });
    await page.waitForFunction((id) => document.querySelectorAll(`.column[data-user="${id}"] .message`).length >= 100, user);
    assert.equal(await top(mark), before, "the view stayed where it was");

    const place = await top(mark);
    await bot.send(user, "свежее");
    await shows(chat.column.locator(".jump .count"));
    assert.equal(await chat.column.locator(".jump .count").textContent(), "1");
    assert.ok(Math.abs(await top(mark) - place) <= 2);
    await chat.column.locator(".jump").click();
    await page.waitForFunction((element) => element.scrollHeight - element.scrollTop - element.clientHeight < 2, await scroll.elementHandle());
    await shows(chat.bubble("свежее"));
}));

test("a new user is added by the form, and a taken id is refused in place", () => withPage({}, async (page) => {
    await page.getByRole("button", { name: "New user" }).click();
    const form = page.getByRole("dialog");
    await form.getByLabel("Name", { exact: true }).fill("Eve <b>");
    await form.getByLabel("Id").fill(String(asya));
    await form.getByRole("button", { name: "Add" }).click();
    await form.getByRole("alert").getByText("there is a user with this id already").waitFor();
    assert.match(page.complaints.pop(), /409/); // the browser notes every refusal
    await form.getByLabel("Id").fill("7777");
    await form.getByLabel("Language").selectOption("en");
    await form.getByRole("button", { name: "Add" }).click();
    await shows(page.locator('.column[data-user="7777"]').getByRole("button", { name: "Start" }));
    assert.equal(await page.locator('.column[data-user="7777"] .person-name').textContent(), "Eve <b>");
}));

test("on a narrow screen lists become drawers and nothing is wider than it", () => withPage({ width: 390, height: 780 }, async (page) => {
    const chat = new Chat(page, asya);
    await shows(chat.input);
    assert.ok(await page.locator("#people").isHidden() && await page.locator("#panel").isHidden());
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
    await chat.column.getByRole("button", { name: "Users" }).click();
    await shows(page.locator("#people"));
    await page.locator(`.person[data-user="${bob}"] .person-open`).click();
    await shows(new Chat(page, bob).column);
    await page.locator("#people").waitFor({ state: "hidden" });
    await new Chat(page, bob).column.getByRole("button", { name: "Bot API calls" }).click();
    await shows(page.locator("#panel"));
    await page.keyboard.press("Escape");
    await page.locator("#panel").waitFor({ state: "hidden" });
}));

test("a fault is switched on and off from the panel", () => withPage({}, async (page) => {
    await page.locator("#faults summary").click();
    const toggle = page.getByRole("switch", { name: "Telegram answers 429" });
    await toggle.click();
    await shows(page.locator("#fault-count", { hasText: "1" }));
    const refused = await sandbox.call("sendMessage", { chat_id: asya, text: "x" });
    assert.deepEqual([refused.error_code, refused.parameters?.retry_after], [429, 5]);
    await toggle.click();
    await page.locator("#fault-count").waitFor({ state: "hidden" });
    assert.equal((await sandbox.call("sendMessage", { chat_id: asya, text: "x" })).ok, true);
}));

test("a page that lost the sandbox finds it again and misses nothing", () => withPage({ users: [bob] }, async (page) => {
    await sandbox.halt();
    await shows(page.locator(".link.lost"));
    await sandbox.resume();
    await bot.send(bob, "back again");
    await shows(new Chat(page, bob).bubble("back again"));
    await page.locator(".link.lost").waitFor({ state: "detached" });
    page.complaints.length = 0; // the browser notes what it could not reach
}));

test("a page of another origin may not speak for the users", async () => {
    const response = await fetch(`${sandbox.url}/chat/send`, {
        method: "POST", headers: { Origin: "https://example.org" }, body: JSON.stringify({ user: asya, text: "x" }),
    });
    assert.equal(response.status, 403);
});

test("what can be pressed has a name, and text stands out from its ground", async () => {
    for (const scheme of ["light", "dark"])
        await withPage({ users: [asya], scheme }, async (page) => {
            const chat = new Chat(page, asya);
            const { message_id } = await bot.send(asya, "<b>Контраст</b> <code>код</code> <a href='https://example.org'>ссылка</a>", { reply_markup: keyboard([["Кнопка", "k"]]) });
            await bot.send(asya, "ответ", { reply_parameters: { message_id } });
            await chat.choose(lay([portrait(12), { name: "letter.txt", bytes: Buffer.from("a") }]));
            await shows(chat.bubble("ответ").locator(".quote"));
            await shows(chat.column.locator(".tray", { hasText: "letter.txt" }));
            assert.deepEqual(await page.evaluate(namelessControls), []);
            assert.deepEqual(await page.evaluate(faintTexts), []);
        });
});

// Runs in the page: visible controls without any words for a screen reader.
function namelessControls() {
    const isSeen = (element) => element.checkVisibility({ visibilityProperty: true });
    const hasName = (element) => (element.getAttribute("aria-label") ?? element.textContent).trim() || element.labels?.length || element.title;
    return [...document.querySelectorAll("button, a, input, select, textarea")].filter((element) => isSeen(element) && !hasName(element)).map((element) => element.outerHTML.slice(0, 120));
}

// Runs in the page: texts with less than 4.5 to 1 against the first opaque ground below them.
function faintTexts() {
    const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        paint.clearRect(0, 0, 1, 1);
        paint.fillStyle = colour;
        paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const over = ([r, g, b, a], [R, G, B]) => [r, g, b].map((value, at) => (value * a + [R, G, B][at] * (255 - a)) / 255);
    const light = (colour) => colour.map((value) => value / 255).map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            layers.push(colour);
            if (colour[3] === 255) break;
        }
        return layers.reverse().reduce((below, colour) => over(colour, below), [255, 255, 255]);
    };
    const faint = new Set();
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest(".face")) continue;
        const below = ground(element);
        const [one, two] = [light(over(rgba(getComputedStyle(element).color), below)), light(below)];
        const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        if (contrast < 4.5) faint.add(`${element.className || element.tagName}: ${contrast.toFixed(2)} "${node.data.trim().slice(0, 20)}"`);
    }
    return [...faint];
}
