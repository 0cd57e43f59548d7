// table_test.mjs - the tables of docs/faults.md that say which fault meets which flow name tests that
// there are. A cell names several, with ; between them: `file`: the beginning of a test's name…,
// or `talk.talk`; or it begins with "no" and says why there is none.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../e2e/lib/ground.mjs";

const heading = "## Which fault meets which flow";
const text = readFileSync(join(root, "docs/faults.md"), "utf8");
const section = text.slice(text.indexOf(heading) + heading.length).split(/^## /m)[0];

// Names of tests in a file; what is filled in when it runs may be anything.
function testsOf(name) {
    const path = ["tests/faults", "tests/e2e"].map((folder) => join(root, folder, `${name}_test.mjs`)).find(existsSync);
    assert.ok(path, `${name}_test.mjs is there`);
    return [...readFileSync(path, "utf8").matchAll(/^\s*test\(\s*(["`])(.*?)\1,/gm)].map(([, , title]) => title);
}

const asPattern = (title) => new RegExp(`^${title.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*?")}$`);

function hasTest(name, wanted) {
    const beginning = wanted.replace(/…$/, ""), isWhole = beginning === wanted;
    return testsOf(name).some((title) => isWhole ? title.startsWith(beginning) || asPattern(title).test(beginning) : title.startsWith(beginning));
}

// What a cell names: [file, beginning of the name], or [talk].
const namesOf = (cell) => cell.split(";").map((part) => /^`([a-z_0-9.]+)`(?:: (.+?))?(?: \([^)]*\))?$/.exec(part.trim())?.slice(1, 3));

const tables = section.split(/\n\n+/).filter((block) => block.startsWith("|"));
const rows = tables.flatMap((table) => {
    const [head, , ...lines] = table.trim().split("\n").map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
    return lines.flatMap(([fault, ...cells]) => cells.map((cell, at) => ({ where: `${fault} × ${head[at + 1]}`, cell })));
});

test("the tables of faults and flows are there, and no cell is empty", () => {
    assert.ok(rows.length > 80, `${rows.length} cells`);
    assert.deepEqual(rows.filter(({ cell }) => !cell).map(({ where }) => where), []);
});

test("each cell names a test, or says which party has no part in the flow", () => {
    assert.deepEqual(rows.filter(({ cell }) => !/^no /.test(cell) && !namesOf(cell).every((name) => name && (name[1] || name[0].endsWith(".talk")))).map(({ where, cell }) => `${where}: ${cell}`), []);
});

test("each test that is named is there", () => {
    const isThere = ([file, wanted]) => file.endsWith(".talk") ? existsSync(join(root, "tests/talk", file)) : hasTest(file, wanted);
    const missing = rows.flatMap(({ where, cell }) => namesOf(cell).filter((name) => name && !isThere(name)).map((name) => `${where}: ${name.join(": ")}`));
    assert.deepEqual(missing, []);
});

test("a test that is not there is noticed", () => {
    assert.ok(hasTest("avatar_faults", "FAL refusing for good…"));
    assert.ok(hasTest("avatar_faults", "FAL early: one avatar and one picture, each paid once"));
    for (const wanted of ["FAL refusing for ever…", "FAL early: two avatars"]) assert.ok(!hasTest("avatar_faults", wanted), wanted);
});
