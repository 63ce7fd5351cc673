// Stands for the command line in an example's run: the first worker that writes a certain file is killed while it reads,
// and with it the process of the engine above it if one is named; all others run as they are.
//
// node kill-once.mjs CLI MARKER FILE ABOVE WORDS...: MARKER is written when the kill has happened; ABOVE is a text in the
// command of the process to kill too, or - for none.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

const [cli, marker, file, above, ...words] = process.argv.slice(2);

/** Whether this is the process that is to be killed: only one can make the marker. */
function isChosen() {
  if (!words.some((word) => word.endsWith(file))) return false;
  try {
    closeSync(openSync(marker, 'wx'));
    return true;
  } catch {
    return false;
  }
}

/** Number of the nearest process above this one whose command has a text in it. */
function ancestor(text) {
  for (let pid = process.ppid; pid > 1; ) {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text)) return pid;
    pid = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  }
  throw new Error(`no process above this one is a ${text}`);
}

if (isChosen()) {
  const child = spawn(process.execPath, [cli, ...words], { stdio: ['pipe', 'inherit', 'inherit'] });
  child.once('close', () => process.kill(process.pid, 'SIGKILL'));
  child.stdin.on('error', () => {});
  let size = 0;
  for await (const chunk of process.stdin) {
    size += chunk.length;
    child.stdin.write(chunk);
    if (size < 200_000) continue;
    // It has read that much when its pipe takes more.
    await new Promise((done) => child.stdin.write('', done));
    if (above !== '-') process.kill(ancestor(above), 'SIGKILL');
    child.kill('SIGKILL');
    break;
  }
} else {
  const child = spawn(process.execPath, [cli, ...words], { stdio: 'inherit' });
  child.once('close', (code, signal) => {
    if (signal !== null) process.kill(process.pid, signal);
    process.exitCode = code ?? 1;
  });
}
