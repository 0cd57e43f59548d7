// voice.mjs - recordings with words in them that the sandbox's OpenAI understands.
//
//     const wav = await speak([{ words: "маяк у моря" }, { pause: 2 }, { words: "the end" }], { language: "ru" });
//     const note = encode(wav, "ogg");
//
// Each word is said by espeak-ng, for the ear and for whatever looks for speech and silence, and
// then planted as tones, a letter each; tests/sandbox/hearing.c tells how they are laid out. A
// piece may also be { filler: "…" }, said and not planted, or { pause: seconds }.
import { execFileSync } from "node:child_process";

export const RATE = 16000;
const alphabet = "абвгдежзийклмнопрстуфхцчшщъыьэюяabcdefghijklmnopqrstuvwxyz-0123456789";
const symbols = 72;
const loudness = 0.3;

const silence = (seconds) => new Float32Array(Math.round(seconds * RATE));

function joined(pieces) {
    const whole = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
        whole.set(piece, at);
        at += piece.length;
    }
    return whole;
}

// Two pitches at once, with soft edges, so that nothing clicks.
function tone(seconds, low, high) {
    const made = silence(seconds);
    const edge = 0.004 * RATE;
    for (let i = 0; i < made.length; i++) {
        const soft = Math.min(1, i / edge, (made.length - i) / edge);
        made[i] = (loudness / 2) * soft * (Math.sin((2 * Math.PI * low * i) / RATE) + Math.sin((2 * Math.PI * high * i) / RATE));
    }
    return made;
}

const letterTone = (symbol) => tone(0.06, 600 + 100 * (symbol % 8), 1600 + 110 * Math.floor(symbol / 8));

// A word as tones.
export function planted(word) {
    const letters = [...word.toLowerCase().replaceAll("ё", "е")].map((letter) => alphabet.indexOf(letter));
    if (!letters.length || letters.length > 64 || letters.includes(-1)) throw new Error(`"${word}" cannot be planted`);
    const sum = letters.reduce((all, letter, i) => all + (i + 2) * letter, letters.length) % symbols;
    const tones = [letters.length, ...letters, sum].flatMap((symbol) => [letterTone(symbol), silence(0.02)]);
    return joined([tone(0.12, 2700, 2900), silence(0.02), ...tones]);
}

function samplesOf(raw) {
    const made = new Float32Array(raw.length >> 1);
    for (let i = 0; i < made.length; i++) made[i] = raw.readInt16LE(2 * i) / 32768;
    return made;
}

const said = new Map();

// What espeak-ng says, without the silence around it.
export function spoken(text, language) {
    const key = `${language}\n${text}`;
    if (!said.has(key)) {
        const wav = execFileSync("espeak-ng", ["-v", language, "--stdout", text], { maxBuffer: 1 << 28 });
        const raw = execFileSync("ffmpeg", ["-nostdin", "-v", "error", "-f", "wav", "-i", "pipe:0", "-ac", "1", "-ar", String(RATE), "-f", "s16le", "-"],
            { input: wav, maxBuffer: 1 << 28 });
        const samples = samplesOf(raw);
        let from = 0, to = samples.length;
        while (from < to && Math.abs(samples[from]) < 0.01) from++;
        while (to > from && Math.abs(samples[to - 1]) < 0.01) to--;
        said.set(key, samples.slice(from, to));
    }
    return said.get(key);
}

function wordsOf(text, language, voice) {
    return text.split(/\s+/).filter(Boolean).flatMap((word) => [
        ...(voice ? [spoken(word, language), silence(0.06)] : []), planted(word), silence(0.12)]);
}

// A WAV file. voice: whether the planted words are also said for the ear.
export function speak(pieces, { language = "ru", voice = true } = {}) {
    const samples = joined(pieces.flatMap((piece) => {
        if (piece.pause) return [silence(piece.pause)];
        if (piece.filler) return [spoken(piece.filler, language)];
        return wordsOf(piece.words, language, voice);
    }));
    return wav(samples);
}

export const wav = (samples) => Buffer.concat([wavHeader(samples.length), raw(samples)]);

// What stands before so many samples.
export function wavHeader(count) {
    const header = Buffer.alloc(44);
    header.write("RIFF", 0);
    header.writeUInt32LE(36 + count * 2, 4);
    header.write("WAVEfmt ", 8);
    header.writeUInt32LE(16, 16);
    header.writeUInt16LE(1, 20);
    header.writeUInt16LE(1, 22);
    header.writeUInt32LE(RATE, 24);
    header.writeUInt32LE(RATE * 2, 28);
    header.writeUInt16LE(2, 32);
    header.writeUInt16LE(16, 34);
    header.write("data", 36);
    header.writeUInt32LE(count * 2, 40);
    return header;
}

// Samples as a WAV holds them.
export function raw(samples) {
    const bytes = Buffer.alloc(samples.length * 2);
    for (let i = 0; i < samples.length; i++) bytes.writeInt16LE(Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32767))), 2 * i);
    return bytes;
}

// For ffmpeg, by the name of a format.
export const codecs = {
    ogg: ["-c:a", "libopus", "-b:a", "24k", "-application", "voip", "-f", "ogg"],
    mp3: ["-c:a", "libmp3lame", "-b:a", "48k", "-f", "mp3"],
    m4a: ["-c:a", "aac", "-b:a", "48k", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"],
    flac: ["-c:a", "flac", "-f", "flac"],
    webm: ["-c:a", "libopus", "-b:a", "24k", "-f", "webm"],
    wav: ["-c:a", "pcm_s16le", "-f", "wav"],
};

// The same in another format; more: words for ffmpeg before the name of the output.
export function encode(bytes, format, more = []) {
    return execFileSync("ffmpeg", ["-nostdin", "-v", "error", "-i", "pipe:0", ...codecs[format], ...more, "pipe:1"],
        { input: bytes, maxBuffer: 1 << 28 });
}
