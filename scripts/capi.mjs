// npm run test:capi: builds the C library, compiles the C program of its tests and the one of docs/c-api.md against it,
// and runs them; the first one also under valgrind.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compilerMissing, valgrindMissing } from './external.mjs';
import { main, root, run, Stop } from './lib.mjs';
import { checkTools } from './setup.mjs';

const crate = join(root, 'crates', 'tinyquant-capi');
const include = join(crate, 'include');
const sources = join(crate, 'tests', 'c');
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const library = join(target, process.env.CARGO_BUILD_TARGET ?? '', 'ci');
const work = join(target, 'capi');
const [expected, scratch] = [join(work, 'expected'), join(work, 'scratch')];

const CARGO = ['--profile', 'ci', '-p', 'tinyquant-capi'];
const STRICT = ['-std=c11', '-O1', '-g', '-Wall', '-Wextra', '-Wpedantic', '-Werror'];
// What Rust's standard library needs of the system.
const SYSTEM = ['-lpthread', '-ldl', '-lm'];
const VALGRIND = [
  ...['--quiet', '--error-exitcode=9', '--leak-check=full', '--fair-sched=try'],
  ...['--show-leak-kinds=definite,indirect', '--errors-for-leak-kinds=definite,indirect'],
];

function must(command, args, what, options) {
  if (!run(command, args, options)) throw new Stop(`${what}: see above`);
}

function emptied(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Fails unless the C program calls every function that the header declares. */
function checkCalls() {
  const header = readFileSync(join(include, 'tinyquant.h'), 'utf8');
  const names = [...header.matchAll(/\b(tq_\w+)\([^)]*\);/g)].map(([, name]) => name);
  const program = readdirSync(sources).map((name) => readFileSync(join(sources, name), 'utf8'));
  const missing = names.filter((name) => !program.join('\n').includes(`${name}(`));
  if (names.length === 0 || missing.length > 0) {
    throw new Stop(`Of ${names.length} functions, the C program does not call: ${missing.join(', ')}`);
  }
  console.log(`${names.length} functions, all of them called`);
}

/** Compiles and runs the program of the documentation as it stands there, against the static library. */
function runDocumented() {
  const text = readFileSync(join(root, 'docs', 'c-api.md'), 'utf8');
  const [, program] = text.match(/```c\n([\s\S]*?)```/) ?? [];
  if (program === undefined) throw new Stop('docs/c-api.md has no program in C');
  const [source, binary] = [join(work, 'documented.c'), join(work, 'documented')];
  writeFileSync(source, program);
  const args = [...STRICT, '-I', include, source, join(library, 'libtinyquant.a'), ...SYSTEM, '-o', binary];
  must('cc', args, 'The program of docs/c-api.md does not compile');
  must(binary, [], 'The program of docs/c-api.md failed', { cwd: emptied(scratch) });
}

await main(() => {
  checkTools();
  const missing = compilerMissing();
  if (missing !== null) throw new Stop(`${missing.reason}; install with: ${missing.install}`);
  must('cargo', ['build', ...CARGO, '--lib'], 'The C library did not build');
  must('cargo', ['test', ...CARGO, '--quiet'], 'The tests of tinyquant-capi failed');
  checkCalls();
  must('cargo', ['run', '--quiet', ...CARGO, '--example', 'expected', '--', emptied(expected)], 'No expected results');

  const binary = join(work, 'test');
  const files = readdirSync(sources).filter((name) => name.endsWith('.c'));
  const linked = ['-L', library, `-Wl,-rpath,${library}`, '-ltinyquant', '-lpthread', '-o', binary];
  const given = files.map((name) => join(sources, name));
  must('cc', [...STRICT, '-I', include, ...given, ...linked], 'The C program does not compile');
  const folders = () => [join(root, 'fixtures', 'golden', 'tinyquant'), expected, emptied(scratch)];
  must(binary, folders(), 'The C program failed');
  runDocumented();

  const absent = valgrindMissing();
  if (absent === null) {
    const env = { TINYQUANT_THREADS: '2' };
    must('valgrind', [...VALGRIND, binary, ...folders()], 'The C program failed under valgrind', { env });
    return;
  }
  const note = `${absent.reason}; install with: ${absent.install}`;
  if (process.env.CI === 'true' && absent.isOptional !== true) throw new Stop(note);
  console.log(`SKIPPED under valgrind: ${note}`);
});
