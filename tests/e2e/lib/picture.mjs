// picture.mjs - PNG pictures for tests: a gradient that differs by its colour.
import * as zlib from "node:zlib";

export function crc32(bytes) {
    if (zlib.crc32) return zlib.crc32(bytes);
    let crc = ~0; // Node before 22 has none of its own
    for (const byte of bytes) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc >>> 0;
}

function chunk(type, data) {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const length = Buffer.alloc(4);
    const check = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body) >>> 0);
    return Buffer.concat([length, body, check]);
}

export function picture(width, height, [red, green, blue]) {
    const rows = Buffer.alloc(height * (1 + width * 3));
    for (let y = 0, at = 0; y < height; y++) {
        rows[at++] = 0;
        for (let x = 0; x < width; x++) {
            const light = 0.55 + 0.45 * ((x / width + y / height) / 2);
            rows[at++] = red * light;
            rows[at++] = green * light;
            rows[at++] = blue * light;
        }
    }
    return png(width, height, rows);
}

// Rows of RGB, before each the number of its filter.
export function png(width, height, rows) {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 2, 0, 0, 0], 8);
    return Buffer.concat([
        Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
        chunk("IHDR", header), chunk("IDAT", zlib.deflateSync(rows, { level: 3 })), chunk("IEND", Buffer.alloc(0)),
    ]);
}

const paeth = (left, up, corner) => {
    const guess = left + up - corner;
    const [l, u, c] = [left, up, corner].map((one) => Math.abs(guess - one));
    return l <= u && l <= c ? left : u <= c ? up : corner;
};

// The pixels of a PNG of eight bits a channel, without a palette: at(x, y) gives [red, green, blue].
export function readPng(bytes) {
    const width = bytes.readUInt32BE(16), height = bytes.readUInt32BE(20), step = bytes[25] === 6 ? 4 : 3;
    const parts = [];
    for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at))
        if (bytes.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
    const raw = zlib.inflateSync(Buffer.concat(parts)), stride = width * step;
    const out = Buffer.alloc(stride * height);
    for (let y = 0; y < height; y++) {
        const filter = raw[y * (stride + 1)];
        for (let i = 0; i < stride; i++) {
            const left = i >= step ? out[y * stride + i - step] : 0, up = y ? out[(y - 1) * stride + i] : 0;
            const corner = y && i >= step ? out[(y - 1) * stride + i - step] : 0;
            const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
            out[y * stride + i] = raw[y * (stride + 1) + 1 + i] + guess;
        }
    }
    return { width, height, at: (x, y) => [...out.subarray(y * stride + x * step, y * stride + x * step + 3)] };
}

export function upload(bytes, name, type = "image/png") {
    return Object.assign(new Blob([bytes], { type }), { name });
}
