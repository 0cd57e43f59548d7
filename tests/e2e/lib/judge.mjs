// judge.mjs - what is wrong with a screen, told of the screen alone.
//
// A screen is a message as control/messages gives it. Every function answers with complaints, in
// words; nothing to complain of is an empty list. What people wrote themselves is no fault of the
// bot: `own` are the words of this person, in whatever language.

const limits = { text: 4096, caption: 1024, toast: 200, label: 64, data: 64, keys: 100 };

// Names of things and formats that no language translates, and what each language calls the other.
const names = new Set(["Imagen", "Flux", "FLUX", "FAL", "LoRA", "OpenAI", "Whisper", "Telegram", "Stars", "PDF", "TXT", "SRT", "DOCX", "MD", "JSON", "ZIP",
    "txt", "srt", "docx", "md", "json", "zip", "mp3", "ogg", "m4a", "wav", "flac", "mp4", "JPEG", "PNG", "WebP", "XTR", "HTML", "UTC", "MB", "KB", "English", "P", "seed"]);
const russianNames = /Русский|Рус\b/g;

export const buttonsOf = (message) => (message?.markup?.inline_keyboard ?? []).flat();
const rest = (text, own) => own.filter(Boolean).sort((a, b) => b.length - a.length)
    .reduce((left, words) => left.replaceAll(words, " ").replaceAll(words.toLowerCase(), " "), text);

// Of words in a language, where it is said: "the text", "a button"…
export function judgeWords(words, where, { language, own = [], textNames = new Set() }) {
    const complaints = [], bare = rest(words, own);
    const complain = (what) => complaints.push(`${where}: ${what}: ${JSON.stringify(words.slice(0, 200))}`);
    if (!words.trim()) complain("says nothing");
    if (/[{}]/.test(bare)) complain("a raw placeholder");
    if (/%(?:[sdu]|l+[du]|zu|\.\*s|\d+\$)(?![\p{L}])/u.test(bare)) complain("a raw format");
    if (/\b(?:undefined|NaN|\(null\)|null|T_\w+)\b|\[object /.test(bare)) complain("a value that is none");
    if (/&(?:lt|gt|amp|quot|#\d+);|<\/?(?:b|i|code|a)\b/.test(bare)) complain("raw HTML");
    for (const name of bare.match(/\b[a-z]+(?:_[a-z0-9]+)+\b/g) ?? []) if (textNames.has(name)) complain(`the key ${name}`);
    if (language === "en" && /\p{Script=Cyrillic}/u.test(bare.replace(russianNames, ""))) complain("Russian words for a person who reads English");
    if (language === "ru" && isEnglish(bare)) complain("English words for a person who reads Russian");
    return complaints;
}

// Three Latin words in a row, or Latin words and no other, names and commands aside.
function isEnglish(text) {
    const latin = text.replace(/\bfal-ai\/\S+|\/\w+|https?:\/\/\S+|\S+@\S+|\S*\.[a-z]{2,4}\b/g, " ").match(/\p{L}[\p{L}'’-]*|[^\p{L}\s]+/gu) ?? [];
    let inRow = 0, any = 0;
    for (const word of latin) {
        if (/^[A-Za-z][A-Za-z'’-]+$/.test(word) && !names.has(word)) {
            any++;
            if (++inRow >= 3) return true;
        } else if (/\p{L}/u.test(word)) {
            inRow = 0;
        }
    }
    return any > 0 && !/\p{Script=Cyrillic}/u.test(text);
}

export function judgeToast(words, about) {
    if (!words) return [];
    return [...judgeWords(words, "an answer to a tap", about), ...([...words].length > limits.toast ? [`an answer to a tap is ${[...words].length} long`] : [])];
}

// Lengths are counted as Telegram and JavaScript count them: in UTF-16 units.
export function judgeMessage(message, about) {
    const complaints = [], text = message.text ?? "", isText = message.kind === "text";
    if (isText || text) complaints.push(...judgeWords(text, isText ? "a text" : "a caption", about));
    const most = isText ? limits.text : limits.caption;
    if (text.length > most) complaints.push(`a ${message.kind} says ${text.length} of ${most}`);
    const buttons = buttonsOf(message);
    if (buttons.length > limits.keys) complaints.push(`${buttons.length} buttons`);
    for (const button of buttons) {
        complaints.push(...judgeWords(button.text, "a button", about));
        if ([...button.text].length > limits.label) complaints.push(`a button is ${[...button.text].length} long: ${button.text}`);
        if (button.callback_data && Buffer.byteLength(button.callback_data) > limits.data) complaints.push(`a tap is too long: ${button.callback_data}`);
        if (!button.callback_data && !button.url && !button.pay) complaints.push(`a button that does nothing: ${button.text}`);
    }
    const taps = buttons.map((button) => button.callback_data).filter(Boolean);
    for (const tap of new Set(taps)) if (taps.indexOf(tap) !== taps.lastIndexOf(tap)) complaints.push(`two buttons send ${tap}`);
    return complaints;
}

const near = 9; // messages: a question, and what was written and refused below it

// Where the bot has spoken it must show a way on: a button, or a command, which Telegram makes a link.
// A tap's way on stands in what came of it. Who wrote words, and was refused, finds it among the newest
// messages, and so does who got a remark about a message, an invoice or a file. All are messages as
// control/messages gives them, oldest first.
export function judgeWayOn({ kind, changes, newest }, commands) {
    const isWay = (message) => message.is_from_bot
        && (buttonsOf(message).length > 0 || commands.some((command) => new RegExp(`${command}(?![a-z])`).test(message.text ?? "")));
    const shown = changes.filter((message) => !message.isGone && !message.reply_to && !["invoice", "document"].includes(message.kind));
    const looked = kind === "tap" && shown.length ? shown : newest.slice(-near);
    return looked.some(isWay) ? [] : [`no way on: ${JSON.stringify((looked.at(-1)?.text ?? "").slice(0, 200))}`];
}

const isSame = (refusal) => /message is not modified/.test(refusal);

// Something must come of what a person did: a message that is new, other or gone, or words in answer to the
// tap. Telegram refuses nothing. Only who taps a button that was tapped before may be shown what stands there.
export function judgeOutcome({ kind, isStale = false, isAnswered, toast, changes, refusals = [] }) {
    if (kind === "tap" && !isAnswered) return ["the tap was never answered"];
    const wrong = refusals.filter((refusal) => !(isStale && isSame(refusal))).map((refusal) => `Telegram refuses: ${refusal}`);
    if (wrong.length || changes.length || toast || refusals.some(isSame)) return wrong;
    return [kind === "tap" ? "nothing came of the tap" : "nothing came of it"];
}

// screens: Map of a screen's name to { ways: Set of the screens that its buttons lead to }. Those
// from which no row of taps leads to a screen that `isHome`.
export function judgeWaysHome(screens, isHome) {
    const home = new Set([...screens.keys()].filter(isHome));
    for (let before = -1; before !== home.size; ) {
        before = home.size;
        for (const [name, { ways }] of screens) if ([...ways].some((to) => home.has(to))) home.add(name);
    }
    return [...screens.keys()].filter((name) => !home.has(name)).map((name) => `no way back to the menu from ${name}`);
}

// Which row of the program's tables a tap, words or a photo meets, as dispatch.c finds it.
export function rowOf(tables, state, input, tap = "") {
    const name = tap.split(":").slice(0, 2).join(":");
    const step = tables.steps.find((one) => one.from === state && one.input === input && (input !== "a tap" || one.tap === name));
    if (step) return `step ${step.from} ${input === "a tap" ? step.tap : input}`;
    return input === "a tap" && tables.taps.some((one) => one.name === name) ? `tap ${name}` : null;
}

// The rows that nothing met, and the buttons that nobody tapped when they were out of date. A tap that only
// older screens send has a step's name.
export function judgeCoverage(tables, { fresh, stale }) {
    const stepTaps = new Set(tables.steps.filter((step) => step.input === "a tap").map((step) => step.tap));
    const missing = [];
    for (const { name } of tables.commands) if (!fresh.has(`command ${name}`)) missing.push(`command ${name}: never said`);
    for (const { name } of tables.taps) {
        if (!fresh.has(`tap ${name}`) && !(stepTaps.has(name) && stale.has(`tap ${name}`))) missing.push(`tap ${name}: never met`);
    }
    for (const { from, input, tap } of tables.steps) {
        const row = `step ${from} ${input === "a tap" ? tap : input}`;
        if (!fresh.has(row)) missing.push(`${row}: never met`);
    }
    const pressed = new Set([...stale].map((row) => row.split(" ").at(-1)));
    for (const name of new Set([...tables.taps.map((row) => row.name), ...stepTaps])) {
        if (!pressed.has(name)) missing.push(`tap ${name}: never stale`);
    }
    for (const { name } of tables.states) if (!fresh.has(`state ${name}`)) missing.push(`state ${name}: never entered`);
    return missing;
}
