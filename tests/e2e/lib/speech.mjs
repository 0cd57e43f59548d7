// speech.mjs - recordings with many planted words, and what the bot made of them.
import assert from "node:assert/strict";
import { closeSync, openSync, writeSync } from "node:fs";
import { planted, raw, spoken, wav, wavHeader, RATE } from "./voice.mjs";
import { until } from "./until.mjs";

const syllables = { ru: ["ма", "но", "ли", "ту", "ре", "ка", "бо", "ви", "со", "да", "пе", "зу"], en: ["ma", "no", "li", "tu", "re", "ka", "bo", "vi", "so", "da", "pe", "zu"] };

// The nth of many words that differ from each other.
export function word(n, language = "ru") {
    const parts = syllables[language];
    let made = "";
    for (let left = n + parts.length; left; left = Math.floor(left / parts.length)) made += parts[left % parts.length];
    return made;
}

// A recording of about so many seconds: words, with a breath behind each eighth. Without a voice the words are
// tones alone, which takes a tenth of the time to make.
export function recording(seconds, { language = "ru", pause = 0.7, from = 0 } = {}) {
    const samples = new Float32Array(Math.round(seconds * RATE));
    const words = [];
    let at = Math.round(0.2 * RATE);
    for (let n = from; ; n++) {
        const next = planted(word(n, language));
        if (at + next.length + 0.3 * RATE > samples.length) break;
        samples.set(next, at);
        at += next.length + Math.round((words.length % 8 === 7 ? pause : 0.12) * RATE);
        words.push(word(n, language));
    }
    return { wav: wav(samples), words, seconds };
}

const sentences = {
    ru: ["Добрый день, начинаем совещание.", "Отчёт за прошлый месяц готов.", "Следующий вопрос касается бюджета.",
        "Сроки обсудим в конце недели.", "Спасибо, замечание принято.", "Переходим к новой теме."],
    en: ["Good morning, let us begin the meeting.", "The report of last month is ready.", "The next question is about the budget.",
        "We shall talk about dates on Friday.", "Thank you, that is a good remark.", "Let us turn to another matter."],
};

// A talk as espeak-ng gives it, block by block, as a WAV holds it: sentence after sentence, each with two planted
// words before it and a breath behind it, then silence to the end.
export function* talk(seconds, { language = "ru", words = [] } = {}) {
    const gap = raw(new Float32Array(Math.round(0.12 * RATE))), breath = raw(new Float32Array(Math.round(0.7 * RATE)));
    const said = sentences[language].map((sentence) => raw(spoken(sentence, language)));
    let left = Math.round(seconds * RATE) * 2;
    for (let n = 0; ; n++) {
        const two = [word(2 * n, language), word(2 * n + 1, language)];
        const block = Buffer.concat([...two.flatMap((one) => [raw(planted(one)), gap]), said[n % said.length], breath]);
        if (block.length > left) break;
        words.push(...two);
        left -= block.length;
        yield block;
    }
    for (const second = Buffer.alloc(RATE * 2); left; left -= Math.min(left, second.length)) yield second.subarray(0, left);
}

// The same as a WAV, in memory or in a file. The planted words, in their order.
export function talkWav(seconds, language) {
    const words = [];
    const blocks = [...talk(seconds, { language, words })];
    return { words, wav: Buffer.concat([wavHeader(Math.round(seconds * RATE)), ...blocks]) };
}

export function talkFile(path, seconds, language) {
    const words = [], file = openSync(path, "w");
    writeSync(file, wavHeader(Math.round(seconds * RATE)));
    for (const block of talk(seconds, { language, words })) writeSync(file, block);
    closeSync(file);
    return words;
}

function crc(bytes, polynomial, bits) {
    let sum = 0;
    for (const byte of bytes) {
        sum ^= byte << (bits - 8);
        for (let i = 0; i < 8; i++) sum = ((sum << 1) ^ (sum & (1 << (bits - 1)) ? polynomial : 0)) & ((1 << bits) - 1);
    }
    return sum;
}

// So many hours of silence, as FLAC of 8 kHz: eight seconds in fifteen bytes. Frames are numbered as UTF-8 would
// write a letter, which goes well for 125 hours.
export function silentHours(hours) {
    const block = 65535, rate = 8000, frames = Math.ceil((hours * 3600 * rate) / block);
    const info = Buffer.alloc(34);
    info.writeUInt16BE(block, 0);
    info.writeUInt16BE(block, 2);
    info.writeBigUInt64BE((BigInt(rate) << 44n) | (15n << 36n) | BigInt(frames * block), 10);
    const made = [Buffer.from("fLaC"), Buffer.from([0x80, 0, 0, info.length]), info];
    for (let n = 0; n < frames; n++) {
        const head = Buffer.concat([Buffer.from([0xff, 0xf8, 0x74, 0x08]), Buffer.from(String.fromCodePoint(n)), Buffer.from([0xff, 0xfe])]);
        const frame = Buffer.concat([head, Buffer.from([crc(head, 0x07, 8), 0, 0, 0])]);
        made.push(frame, Buffer.from([crc(frame, 0x8005, 16) >> 8, crc(frame, 0x8005, 16) & 0xff]));
    }
    return Buffer.concat(made);
}

// How many of the planted words stand in the text, in their order.
export function shareHeard(words, text) {
    const heard = text.toLowerCase().replaceAll("ё", "е").split(/[^\p{L}\p{N}-]+/u).filter(Boolean);
    let found = 0, at = 0;
    for (const one of words) {
        const next = heard.indexOf(one, at);
        if (next < 0 || next > at + 40) continue;
        at = next + 1;
        found++;
    }
    return found / words.length;
}

export const newest = (person) => person.ground.row("select * from user_transcripts where user_id = :id order by number desc limit 1", { id: person.rowId });

// Making a long recording stops this process for a while, and nginx closes what it keeps open meanwhile.
export async function send(person, bytes, kind, more = {}) {
    person.earlier = person.rowId ? (await newest(person))?.number ?? 0 : 0;
    return person.ground.control("update", { user: person.id, kind, bytes: bytes.toString("base64"), ...more }, { isFresh: true });
}

// What a person sent last, and nothing from before it, has come to this, and nothing is left to do for it.
export function arrived(person, status, seconds = 120) {
    return until(async () => {
        const row = await person.ground.row(
            `select t.*, (select count(*)::int from jobs j where j.subject = t.id and j.state in ('queued', 'running')) as open_jobs
             from user_transcripts t where user_id = :id and number > :earlier order by number desc limit 1`, { id: person.rowId, earlier: person.earlier ?? 0 });
        if (row && row.status !== status && ["completed", "failed", "cancelled"].includes(row.status)) assert.fail(`${row.name} is ${row.status}: ${row.failure}`);
        return row?.status === status && row.open_jobs === 0 && row;
    }, `a transcript being ${status}`, seconds);
}

// What OpenAI has heard since a place in its list of calls, and the place of the last one, seq.
export const heard = async (ground, after = 0) => ground.control(`heard?after=${after}`);
