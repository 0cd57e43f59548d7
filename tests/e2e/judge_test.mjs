// judge_test.mjs - what the crawler judges screens by, over screens made for it: each bad one is
// complained of, and of a good one nothing is said.
import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeCoverage, judgeMessage, judgeOutcome, judgeToast, judgeWayOn, judgeWaysHome, rowOf } from "./lib/judge.mjs";

const key = (text, more = { callback_data: "menu:open" }) => ({ text, ...more });
const message = (text, buttons = [key("🏠")], more = {}) => ({ kind: "text", is_from_bot: true, text, markup: { inline_keyboard: buttons.map((one) => [one]) }, ...more });
const english = { language: "en", textNames: new Set(["no_coins", "menu"]) };
const russian = { ...english, language: "ru" };

test("a good screen is not complained of", () => {
    assert.deepEqual(judgeMessage(message("You have 5 coins, 100% of them yours: /menu", [key("🏠 Menu")]), english), []);
    assert.deepEqual(judgeMessage(message("Язык: Imagen 4 в PNG, файл notes.txt, /menu", [key("English"), key("Русский", { callback_data: "language:set:ru" })]), russian), []);
    assert.deepEqual(judgeMessage(message("1 из 2\n🔬 fal-ai/imagen4/preview/fast · 44×64 · seed 21"), russian), []);
    assert.deepEqual(judgeMessage(message("Your words: маяк {у} моря", [key("Menu")]), { ...english, own: ["маяк {у} моря"] }), []);
    assert.deepEqual(judgeMessage(message("", [key("🏠")], { kind: "photo" }), english), []);
});

const bad = [
    ["nothing in it", message(" "), english, /says nothing/],
    ["a placeholder", message("You have {n} coins"), english, /placeholder/],
    ["half a placeholder", message("You have balance} coins"), english, /placeholder/],
    ["a format", message("You have %s coins"), english, /format/],
    ["a longer format", message("У вас %lld монет"), russian, /format/],
    ["a value that is none", message("You have undefined coins"), english, /none/],
    ["a null", message("(null)"), english, /none/],
    ["a key", message("See no_coins here"), english, /the key no_coins/],
    ["tags", message("<b>Coins</b>"), english, /HTML/],
    ["escapes", message("Nina &amp; Co"), english, /HTML/],
    ["Russian in English", message("You have 5 монет"), english, /Russian/],
    ["English in Russian", message("Картинка is not ready yet"), russian, /English/],
    ["nothing but English in Russian", message("Done"), russian, /English/],
    ["a button in Russian", message("Coins", [key("Меню")]), english, /a button: Russian/],
    ["a button in English", message("Монеты", [key("Back")]), russian, /a button: English/],
    ["a button without words", message("Coins", [key("")]), english, /a button: says nothing/],
    ["a button that does nothing", message("Coins", [key("Menu", {})]), english, /does nothing/],
    ["two buttons for one thing", message("Coins", [key("Menu"), key("Home")]), english, /two buttons/],
    ["a tap that is too long", message("Coins", [key("Menu", { callback_data: `x:${"y".repeat(64)}` })]), english, /too long/],
    ["a text that is too long", message("a".repeat(4097)), english, /4097 of 4096/],
    ["a caption that is too long", message("a".repeat(1025), [key("🏠")], { kind: "photo" }), english, /1025 of 1024/],
    ["a label that is too long", message("Coins", [key("a".repeat(65))]), english, /65 long/],
];

for (const [what, screen, about, wanted] of bad)
    test(`a screen with ${what}`, () => {
        const complaints = judgeMessage(screen, about);
        assert.ok(complaints.some((complaint) => wanted.test(complaint)), complaints.join("\n"));
    });

test("answers to taps", () => {
    assert.deepEqual(judgeToast("Saved", english), []);
    assert.deepEqual(judgeToast("", english), []);
    assert.match(judgeToast("Готово", english)[0], /Russian/);
    assert.match(judgeToast("a ".repeat(101), english)[0], /202 long/);
});

test("a dead end", () => {
    const person = { is_from_bot: false, kind: "text", text: "?" }, dead = message("Try again.", []), judge = (outcome) => judgeWayOn(outcome, ["/menu"]);
    const said = (...newest) => ({ kind: "text", changes: newest.slice(-1), newest });
    assert.deepEqual(judge(said(message("Name?"), person, dead)), []);
    assert.deepEqual(judge(said(message("Name?"), person, dead, person, dead)), []);
    assert.deepEqual(judge(said(person, message("See /menu", []))), []);
    assert.match(judge(said(message("Name?"), ...Array(5).fill([person, dead]).flat()))[0], /no way on/);
    assert.match(judge(said(person, message("See /menus", [])))[0], /no way on/);
    assert.match(judge(said(person))[0], /no way on/);
    const tapped = (...changes) => ({ kind: "tap", changes, newest: [message("Name?"), ...changes] });
    assert.deepEqual(judge(tapped(dead, message("Back"))), []);
    assert.deepEqual(judge(tapped()), []);
    assert.deepEqual(judge(tapped({ isGone: true })), []);
    assert.match(judge(tapped(dead))[0], /no way on/);
    for (const remark of [{ ...dead, reply_to: 5 }, { ...dead, kind: "invoice" }]) {
        assert.deepEqual(judge(tapped(remark)), []);
        assert.match(judge({ ...tapped(remark), newest: Array(9).fill(remark) })[0], /no way on/);
    }
});

test("what nothing comes of", () => {
    const good = { kind: "tap", isAnswered: true, toast: "", changes: ["new"] };
    assert.deepEqual(judgeOutcome(good), []);
    assert.deepEqual(judgeOutcome({ ...good, changes: [], toast: "Saved" }), []);
    assert.match(judgeOutcome({ ...good, isAnswered: false })[0], /never answered/);
    assert.match(judgeOutcome({ ...good, changes: [] })[0], /nothing came of the tap/);
    assert.match(judgeOutcome({ ...good, kind: "words", changes: [] })[0], /nothing came/);
    const same = { ...good, changes: [], refusals: ["editMessageText: Bad Request: message is not modified"] };
    assert.match(judgeOutcome(same)[0], /Telegram refuses/);
    assert.deepEqual(judgeOutcome({ ...same, isStale: true }), []);
    assert.match(judgeOutcome({ ...good, isStale: true, refusals: ["sendMessage: Bad Request: message is too long"] })[0], /too long/);
});

test("a screen without a way back", () => {
    const screens = new Map(Object.entries({ menu: ["list"], list: ["card", "menu"], card: ["list"], trap: ["trap", "other"], other: ["trap"] })
        .map(([name, ways]) => [name, { ways: new Set(ways) }]));
    assert.deepEqual(judgeWaysHome(screens, (name) => name === "menu"), ["no way back to the menu from trap", "no way back to the menu from other"]);
});

const tables = {
    commands: [{ name: "/menu" }],
    taps: [{ name: "menu:open" }, { name: "order:make" }],
    steps: [{ from: "options", input: "a tap", tap: "order:make" }, { from: "options", input: "words", tap: "" }],
    states: [{ name: "idle" }, { name: "options" }],
};

test("the row that something meets", () => {
    assert.equal(rowOf(tables, "options", "a tap", "order:make:1:2"), "step options order:make");
    assert.equal(rowOf(tables, "idle", "a tap", "order:make:1:2"), "tap order:make");
    assert.equal(rowOf(tables, "options", "words"), "step options words");
    assert.equal(rowOf(tables, "idle", "words"), null);
    assert.equal(rowOf(tables, "idle", "a tap", "gone:now"), null);
});

test("rows that nothing met are named", () => {
    const fresh = new Set(["command /menu", "tap menu:open", "step options order:make", "step options words", "state idle", "state options"]);
    const stale = new Set(["tap menu:open", "tap order:make"]);
    assert.deepEqual(judgeCoverage(tables, { fresh, stale }), []);
    const without = (set, row) => new Set([...set].filter((one) => one !== row));
    for (const row of fresh) assert.equal(judgeCoverage(tables, { fresh: without(fresh, row), stale }).length, 1, row);
    assert.deepEqual(judgeCoverage(tables, { fresh, stale: without(stale, "tap menu:open") }), ["tap menu:open: never stale"]);
    assert.deepEqual(judgeCoverage(tables, { fresh, stale: without(stale, "tap order:make") }), ["tap order:make: never met", "tap order:make: never stale"]);
});
