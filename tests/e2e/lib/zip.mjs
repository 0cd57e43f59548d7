// zip.mjs - archives made by hand, so that a test knows every byte of them.
import { crc32 } from "./picture.mjs";

// A zip of [[name, bytes], …], stored without compression.
export function zip(files) {
    const locals = [], entries = [];
    let offset = 0;
    for (const [name, content] of files) {
        const bytes = Buffer.from(content), title = Buffer.from(name);
        const sizes = Buffer.alloc(12);
        sizes.writeUInt32LE(crc32(bytes), 0);
        sizes.writeUInt32LE(bytes.length, 4);
        sizes.writeUInt32LE(bytes.length, 8);
        const lengths = Buffer.alloc(4);
        lengths.writeUInt16LE(title.length, 0);
        const common = Buffer.concat([Buffer.from([20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0x58]), sizes, lengths]);
        const place = Buffer.alloc(14);
        place.writeUInt32LE(offset, 10);
        const local = Buffer.concat([Buffer.from("504b0304", "hex"), common, title, bytes]);
        entries.push(Buffer.concat([Buffer.from("504b01021400", "hex"), common, place, title]));
        locals.push(local);
        offset += local.length;
    }
    const directory = Buffer.concat(entries), end = Buffer.alloc(22);
    end.write("504b0506", 0, "hex");
    end.writeUInt16LE(files.length, 8);
    end.writeUInt16LE(files.length, 10);
    end.writeUInt32LE(directory.length, 12);
    end.writeUInt32LE(offset, 16);
    return Buffer.concat([...locals, directory, end]);
}
