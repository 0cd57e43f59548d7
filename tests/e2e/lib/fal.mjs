// fal.mjs - FAL's hand in a test: callbacks signed with a key that the bot was
// shown, at any time, to any address.
import { createHash, createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { until } from "./until.mjs";

export function callbackPath(ground, id, attempt = 1) {
    const seal = createHmac("sha256", ground.settings.CALLBACK_SECRET).update(`image ${id} ${attempt}`).digest("hex");
    return `/webhook/fal/image?g=${id}&n=${attempt}&s=${seal}`;
}

export function okBody(url, more = {}) {
    return {
        request_id: randomUUID(), gateway_request_id: randomUUID(), status: "OK", error: null,
        payload: { images: [{ url, content_type: "image/png", file_name: "a.png", file_size: 9, width: 64, height: 64 }], seed: 7, ...more },
    };
}

export class Signer {
    constructor(ground) {
        this.ground = ground;
        const { publicKey, privateKey } = generateKeyPairSync("ed25519");
        this.privateKey = privateKey;
        this.jwk = { ...publicKey.export({ format: "jwk" }), use: "sig", kid: `test-${randomUUID()}` };
    }

    // Puts the key beside FAL's own where the bot looks; gone with the worker's next fetch.
    async trust() {
        const { sql, settings } = { sql: this.ground.sql.bind(this.ground), settings: this.ground.settings };
        const source = settings.FAL_JWKS_URL;
        await until(async () => (await this.ground.row("select document is not null as known from jwks where source = :'source'", { source }))?.known, "keys of FAL");
        await sql(`update jwks set document = jsonb_set(document, '{keys}', (document -> 'keys') || :'jwk'::jsonb)
                   where source = :'source' and not document -> 'keys' @> jsonb_build_array(:'jwk'::jsonb)`, { source, jwk: JSON.stringify(this.jwk) });
    }

    // Headers and body of a callback, to be sent as often as a test likes.
    signed(body, { at = Date.now() / 1000, user = "test-user" } = {}) {
        const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
        const id = body.request_id ?? randomUUID(), time = String(Math.floor(at));
        const text = [id, user, time, createHash("sha256").update(bytes).digest("hex")].join("\n");
        return {
            body: bytes,
            headers: {
                "Content-Type": "application/json", "X-Fal-Webhook-Request-Id": id, "X-Fal-Webhook-User-Id": user,
                "X-Fal-Webhook-Timestamp": time, "X-Fal-Webhook-Signature": sign(null, Buffer.from(text), this.privateKey).toString("hex"),
            },
        };
    }

    // A callback with a key that is known. A fetch may just have forgotten it; then it is shown again.
    async call(path, body, options) {
        let answer;
        for (let tries = 0; tries < 5; tries++) {
            await this.trust();
            answer = await this.ground.ask(path, this.signed(body, options));
            if (answer.status !== 503) break;
        }
        return answer;
    }
}
