// picture.mjs - PNG pictures for tests: a gradient that differs by its colour.
import * as zlib from "node:zlib";

function crc32(bytes) {
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

export function upload(bytes, name, type = "image/png") {
    return Object.assign(new Blob([bytes], { type }), { name });
}
