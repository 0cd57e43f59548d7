// until.mjs - waiting for a state instead of for a time.

const most = 60; // seconds: more than any machine needs

// Asks again and again until the answer is not false, null, undefined or 0.
export async function until(asks, what, seconds = most) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
        const answer = await asks();
        if (answer) return answer;
        if (Date.now() > end) throw new Error(`${what} did not come to be`);
        await new Promise((done) => setTimeout(done, 25));
    }
}
