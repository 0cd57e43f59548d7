// store.mjs - puts objects into an S3 server as another program would: signed by
// AWS's fourth way, over plain HTTP.
import { createHash, createHmac } from "node:crypto";

const hash = (data) => createHash("sha256").update(data).digest("hex");
const hmac = (key, data) => createHmac("sha256", key).update(data).digest();

export class Store {
    constructor({ MINIO_ENDPOINT, MINIO_ACCESS_KEY, MINIO_SECRET_KEY }) {
        Object.assign(this, { endpoint: MINIO_ENDPOINT, account: MINIO_ACCESS_KEY, secret: MINIO_SECRET_KEY });
    }

    async send(method, path, body = "", headers = {}) {
        const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, ""), day = stamp.slice(0, 8);
        const scope = `${day}/us-east-1/s3/aws4_request`, digest = hash(body);
        const names = "host;x-amz-content-sha256;x-amz-date";
        const canonical = [method, path, "", `host:${this.endpoint}`, `x-amz-content-sha256:${digest}`, `x-amz-date:${stamp}`, "", names, digest].join("\n");
        const key = [day, "us-east-1", "s3", "aws4_request"].reduce(hmac, `AWS4${this.secret}`);
        const signature = createHmac("sha256", key).update(["AWS4-HMAC-SHA256", stamp, scope, hash(canonical)].join("\n")).digest("hex");
        const answer = await fetch(`http://${this.endpoint}${path}`, { method, body: body || undefined, headers: { ...headers,
            "x-amz-date": stamp, "x-amz-content-sha256": digest,
            authorization: `AWS4-HMAC-SHA256 Credential=${this.account}/${scope}, SignedHeaders=${names}, Signature=${signature}` } });
        if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
        return answer;
    }

    // Makes the bucket where it is missing.
    async put(bucket, key, body, type = "application/octet-stream") {
        await this.send("PUT", `/${bucket}`).catch(() => {});
        await this.send("PUT", `/${bucket}/${key}`, body, { "content-type": type });
    }

    async get(bucket, key) {
        return Buffer.from(await (await this.send("GET", `/${bucket}/${key}`)).arrayBuffer());
    }
}
