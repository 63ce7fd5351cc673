// npm run sanitize [-- KIND...]: the tests of the Rust crates under the address, leak and thread sanitizers. The first two
// need the nightly toolchain only; the last one needs a standard library that is built with it, which comes from the
// nightly's rust-src component or else from Debian's compiler and source.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DEBIAN_RUSTC, needPackages } from './debian.mjs';
import { capture, main, root, run, Stop } from './lib.mjs';

const HOST = 'x86_64-unknown-linux-gnu';
const CRATES = ['kernels', 'codec', 'corpus', 'index', 'family', 'store'].flatMap((name) => [
  '-p',
  `tinyquant-${name}`,
]);
// Memory that cannot be had is an error of the library, not the end of the process.
const REFUSING = 'allocator_may_return_null=1';
const KINDS = {
  address: { env: { ASAN_OPTIONS: `${REFUSING}:detect_leaks=0` } },
  leak: { env: { LSAN_OPTIONS: REFUSING } },
  thread: { env: { TSAN_OPTIONS: REFUSING }, rebuildsLibrary: true },
};

/** Flags and environment of a compiler whose standard library is built anew with the sanitizer. */
function rebuilding(kind) {
  const sysroot = capture('rustc', ['+nightly', '--print', 'sysroot']).trim();
  if (existsSync(join(sysroot, 'lib', 'rustlib', 'src', 'rust', 'library'))) {
    return { toolchain: ['+nightly'], args: ['-Zbuild-std'], flags: [], env: {} };
  }
  needPackages(['rustc-web', 'libstd-rust-web-dev', 'rust-web-src', 'clang', 'lld'], `the ${kind} sanitizer`);
  const libraries = join(sysroot, 'lib', 'rustlib', HOST, 'lib');
  const runtime = readdirSync(libraries).find((name) => name.endsWith(`_rt.${kind[0]}san.a`));
  if (runtime === undefined) throw new Stop(`the nightly toolchain has no runtime of the ${kind} sanitizer`);
  return {
    toolchain: [],
    args: ['-Zbuild-std'],
    flags: [
      '-Zexternal-clangrt',
      '-Clinker=clang',
      '-Clink-arg=-fuse-ld=lld',
      `-Clink-arg=-Wl,--whole-archive,${join(libraries, runtime)},--no-whole-archive`,
      '-Clink-arg=-Wl,--export-dynamic',
    ],
    env: { RUSTC: DEBIAN_RUSTC, RUSTC_BOOTSTRAP: '1' },
  };
}

function sanitize(kind) {
  const { env, rebuildsLibrary = false } = KINDS[kind];
  const compiler = rebuildsLibrary ? rebuilding(kind) : { toolchain: ['+nightly'], args: [], flags: [], env: {} };
  const args = ['test', '--profile', 'ci', '--target', HOST, '--lib', '--tests', '--no-fail-fast', ...CRATES];
  return run('cargo', [...compiler.toolchain, ...args, ...compiler.args], {
    env: {
      ...env,
      ...compiler.env,
      TINYQUANT_SANITIZER: kind,
      RUSTFLAGS: [`-Zsanitizer=${kind}`, ...compiler.flags].join(' '),
      CARGO_TARGET_DIR: join(root, 'target', `sanitize-${kind}`),
    },
  });
}

await main(() => {
  const named = process.argv.slice(2);
  const unknown = named.filter((name) => KINDS[name] === undefined);
  if (unknown.length > 0) throw new Stop(`no sanitizer ${unknown.join(', ')}: ${Object.keys(KINDS).join(', ')}`);
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Stop('sanitizers run on Linux on x86-64');
  if (capture('cargo', ['+nightly', '--version']) === null) {
    throw new Stop('the nightly toolchain is missing: run rustup toolchain install nightly --profile minimal');
  }
  const failed = (named.length > 0 ? named : Object.keys(KINDS)).filter((kind) => {
    console.log(`--- ${kind}`);
    return !sanitize(kind);
  });
  if (failed.length > 0) throw new Stop(`found by ${failed.join(', ')}: see above`);
});
