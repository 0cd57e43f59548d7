// speech.mjs - recordings with many planted words, and what the bot made of them.
import assert from "node:assert/strict";
import { planted, wav, RATE } from "./voice.mjs";
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

// Making a long recording stops this process for a while, and connections that were closed meanwhile
// are noticed only when it waits.
export async function send(person, bytes, kind, more = {}) {
    await new Promise((done) => setTimeout(done, 50));
    return person.act(kind, { bytes: bytes.toString("base64"), ...more });
}

export const newest = (person) => person.ground.row("select * from user_transcripts where user_id = :id order by number desc limit 1", { id: person.rowId });

// The newest transcript of a person has come to this, and nothing is left to do for it.
export function arrived(person, status, seconds = 60) {
    return until(async () => {
        const row = await person.ground.row(
            `select t.*, (select count(*)::int from jobs j where j.subject = t.id and j.state in ('queued', 'running')) as open_jobs
             from user_transcripts t where user_id = :id order by number desc limit 1`, { id: person.rowId });
        if (row && row.status !== status && ["completed", "failed", "cancelled"].includes(row.status)) assert.fail(`${row.name} is ${row.status}: ${row.failure}`);
        return row?.status === status && row.open_jobs === 0 && row;
    }, `a transcript being ${status}`, seconds);
}

// Seconds that OpenAI has heard since a place in its list.
export const heard = async (ground, after = 0) => ground.control(`heard?after=${after}`);
