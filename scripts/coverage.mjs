// npm run coverage: lines of the Rust crates that their tests run, into target/coverage; kernels, store, codec and
// family have a floor. The addons, the C library and the GPU backend, which are tested through Node, a C program and on a
// device, are left out.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { needPackages } from './debian.mjs';
import { installTool } from './external.mjs';
import { capture, main, root, run, Stop } from './lib.mjs';

/** Least share of lines, in percent, over all files that a pattern names. */
const FLOORS = [
  { name: 'kernels', pattern: /^crates\/tinyquant-kernels\/src\// },
  { name: 'readers of the store', pattern: /^crates\/tinyquant-store\/src\// },
  { name: 'records of the codec', pattern: /^crates\/tinyquant-codec\/src\// },
  { name: 'records and files of the family', pattern: /^crates\/tinyquant-family\/src\// },
];
const LEAST = 90;
const LLVM = 22;

/** The tools of LLVM: those of the toolchain, or else Debian's. */
function llvmEnvironment() {
  const sysroot = capture('rustc', ['--print', 'sysroot'])?.trim() ?? '';
  const host = /^host: (.*)$/m.exec(capture('rustc', ['-vV']) ?? '')?.[1] ?? '';
  if (existsSync(join(sysroot, 'lib', 'rustlib', host, 'bin', 'llvm-profdata'))) return {};
  needPackages([`llvm-${LLVM}`], 'coverage');
  return { LLVM_COV: `/usr/bin/llvm-cov-${LLVM}`, LLVM_PROFDATA: `/usr/bin/llvm-profdata-${LLVM}` };
}

await main(() => {
  installTool('cargo-llvm-cov');
  const folder = join(root, 'target', 'coverage');
  mkdirSync(folder, { recursive: true });
  const env = llvmEnvironment();
  const output = join(folder, 'summary.json');
  const left = ['bench', 'capi', 'node', 'gpu', 'gpu-node'].flatMap((name) => ['--exclude', `tinyquant-${name}`]);
  const args = [
    'llvm-cov',
    '--workspace',
    ...left,
    '--profile',
    'ci',
    '--tests',
    '--json',
    '--summary-only',
    '--output-path',
    output,
  ];
  if (!run('cargo', args, { env })) throw new Stop('the tests failed');
  run('cargo', ['llvm-cov', 'report', '--profile', 'ci', '--lcov', '--output-path', join(folder, 'lcov.info')], {
    env,
  });

  const files = JSON.parse(readFileSync(output, 'utf8')).data[0].files.map(({ filename, summary }) => ({
    path: relative(root, filename).split(sep).join('/'),
    ...summary.lines,
  }));
  const share = (chosen) => {
    const sum = (field) => chosen.reduce((total, file) => total + file[field], 0);
    return (100 * sum('covered')) / sum('count');
  };
  for (const file of files) console.log(`${file.percent.toFixed(1).padStart(6)} %  ${file.path}`);
  const low = FLOORS.filter(({ name, pattern }) => {
    const percent = share(files.filter(({ path }) => pattern.test(path)));
    console.log(`${percent.toFixed(1).padStart(6)} %  of all lines: ${name}`);
    return !(percent >= LEAST);
  });
  if (low.length > 0) throw new Stop(`below ${LEAST} %: ${low.map(({ name }) => name).join(', ')}`);
});
