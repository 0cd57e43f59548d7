// photos.mjs - photos for tests: drawn heads that are no person's. The same seed and
// options give the same bytes, two seeds differ clearly in light and shape.
import { png } from "./picture.mjs";

// Chance that always falls the same way for the same seed, from 0 to 1.
function diceOf(seed) {
    let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}

const cells = 9; // of the light that falls over a picture, each way

// Light and dark in large patches, from -1 to 1: what tells two photos apart at a glance.
function lightOf(seed) {
    const dice = diceOf(seed);
    return Float64Array.from({ length: cells * cells }, () => dice() * 2 - 1);
}

// Between the middles of the patches it changes evenly.
function lightAt(light, x, y) {
    const left = Math.min(Math.floor(x * (cells - 1)), cells - 2), top = Math.min(Math.floor(y * (cells - 1)), cells - 2);
    const right = x * (cells - 1) - left, below = y * (cells - 1) - top;
    const at = top * cells + left;
    return (light[at] * (1 - right) + light[at + 1] * right) * (1 - below)
        + (light[at + cells] * (1 - right) + light[at + cells + 1] * right) * below;
}

function faceOf(seed) {
    const dice = diceOf(seed + 1000003);
    const within = (least, most) => least + (most - least) * dice();
    return {
        x: within(0.4, 0.6), y: within(0.38, 0.48), width: within(0.17, 0.23), height: within(0.2, 0.26),
        skin: [within(190, 235), within(140, 185), within(110, 150)], hair: [within(30, 120), within(20, 80), within(10, 60)],
        shirt: [within(40, 220), within(40, 220), within(40, 220)], wall: [within(90, 210), within(90, 210), within(90, 210)],
    };
}

const inEllipse = (x, y, cx, cy, rx, ry) => ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1;

// The colour of a point; fine lines in cloth and hair are what a sharp photo has.
function colourAt(face, x, y) {
    const line = Math.sin(x * 420) > 0 ? 14 : -14;
    const weave = Math.sin(x * 260) * Math.sin(y * 340) > 0 ? 16 : -16;
    const { x: cx, y: cy, width: w, height: h } = face;
    for (const side of [-1, 1]) if (inEllipse(x, y, cx + side * w * 0.42, cy - h * 0.1, w * 0.14, h * 0.07)) return [[30, 25, 25], 0];
    if (inEllipse(x, y, cx, cy + h * 0.52, w * 0.38, h * 0.08)) return [[160, 60, 60], 0];
    if (inEllipse(x, y, cx, cy, w, h) && y > cy - h * 0.55) return [face.skin, 0];
    if (inEllipse(x, y, cx, cy - h * 0.25, w * 1.2, h * 1.05)) return [face.hair, line];
    if (inEllipse(x, y, cx, 1.12, w * 2.4, 0.45) || (Math.abs(x - cx) < w * 0.4 && y > cy)) return [face.shirt, weave];
    return [face.wall, 0];
}

// The same out of focus: a few points, and even colour between them.
function colourBlurred(face) {
    const [wide, high] = [18, 24];
    const points = Array.from({ length: (wide + 1) * (high + 1) }, (_, at) =>
        colourAt(face, (at % (wide + 1)) / wide, Math.floor(at / (wide + 1)) / high)[0]);
    return (x, y) => {
        const left = Math.floor(x * wide), top = Math.floor(y * high);
        const right = x * wide - left, below = y * high - top, at = top * (wide + 1) + left;
        return [[0, 1, 2].map((part) => (points[at][part] * (1 - right) + points[at + 1][part] * right) * (1 - below)
            + (points[at + wide + 1][part] * (1 - right) + points[at + wide + 2][part] * right) * below), 0];
    };
}

const made = new Map();

// One picture as {name, type, bytes}, a PNG of 600 by 800.
//   near     1, 2 …: the same once more, with a dot in the corner that nobody notices (a dHash
//            of 64 bits stays as it was; that of two seeds differs in 15 bits and more)
//   drift    0 … 1: how far its light goes over to that of another picture (0.2: 2 to 9 bits)
//   dark     hardly anything to be seen      blurred   nothing sharp in it
export function portrait(seed, { width = 600, height = 800, near = 0, drift = 0, dark = false, blurred = false } = {}) {
    const key = JSON.stringify([seed, width, height, near, drift, dark, blurred]);
    if (made.has(key)) return made.get(key);
    const face = faceOf(seed), own = lightOf(seed), other = lightOf(seed + 500009);
    const paint = blurred ? colourBlurred(face) : (x, y) => colourAt(face, x, y);
    const light = own.map((value, at) => value * (1 - drift) + other[at] * drift);
    const rows = Buffer.alloc(height * (1 + width * 3));
    const strength = dark ? 0.12 : 1;
    for (let y = 0, at = 0; y < height; y++) {
        rows[at++] = 1; // each byte less the one of the pixel before: smooth rows become small
        let before = [0, 0, 0];
        for (let x = 0; x < width; x++) {
            const [colour, detail] = paint((x + 0.5) / width, (y + 0.5) / height);
            const shade = lightAt(light, x / width, y / height) * 60 + detail;
            const isDot = near > 0 && x < 4 + near && y < 4 + near;
            const now = colour.map((value) => Math.round(isDot ? 128 : Math.max(0, Math.min(255, (value + shade) * strength))));
            for (let part = 0; part < 3; part++) rows[at++] = now[part] - before[part];
            before = now;
        }
    }
    const file = { name: `portrait-${seed}.png`, type: "image/png", bytes: png(width, height, rows) };
    made.set(key, file);
    return file;
}

// So many different ones.
export const portraits = (count, { from = 1, ...options } = {}) =>
    Array.from({ length: count }, (_, at) => portrait(from + at, options));

export const tooSmall = (seed) => portrait(seed, { width: 300, height: 400 });

// Wider than Telegram takes as a photo: its apps send it as a file.
export const tooWide = (seed) => portrait(seed, { width: 2200, height: 100 });

// Begins as a picture and breaks off.
export function broken(seed) {
    const whole = portrait(seed);
    return { ...whole, name: `broken-${seed}.png`, bytes: whole.bytes.subarray(0, 60) };
}

// Says that it is a picture, and is none.
export const notPicture = { name: "letter.jpg", type: "image/jpeg", bytes: Buffer.from("Dear Aisha,\n\nthis is no picture.\n") };

export const notEvenByName = { name: "notes.txt", type: "text/plain", bytes: Buffer.from("Just words.\n") };
