import { readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { isTinyQuantError } from '../errors.js';
import {
  BrokenPipe,
  EXIT,
  errorJson,
  exitCodeOf,
  Interrupted,
  ioError,
  isSystemError,
  messageOf,
  oneLine,
  toJson,
  usage,
} from './failure.js';
import { NO_PROGRESS, type Progress, showProgress } from './progress.js';

/** Options every command takes. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly progress?: boolean;
  readonly log?: string;
  readonly threads?: number;
}

const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** The widest level a filter such as `info` or `warn,tinyquant=debug` names; `info` where it names none. */
function levelOf(filter: string): number {
  const named = filter
    .toLowerCase()
    .split(',')
    .map((part) => LEVELS.findIndex((level) => level === (part.split('=').at(-1) ?? '').trim()))
    .filter((level) => level >= 0);
  return named.length === 0 ? LEVELS.indexOf('info') : Math.max(...named);
}

/** Whether text on standard error may be coloured. */
function coloured(): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return process.stderr.isTTY === true && TERM !== 'dumb';
}

/** What an error of standard output means. */
function stdoutError(error: unknown): unknown {
  return isSystemError(error) && error.code === 'EPIPE' ? new BrokenPipe() : ioError(error, 'standard output');
}

/** A signal that follows another within this time is its echo: some programs send it to a process and to its group. */
const PATIENCE_MS = 1000;

/** One invocation: what its command was told about output, and the ways to stop it. */
export class Session {
  readonly #controller = new AbortController();
  readonly #inputs = new Set<string>();
  readonly #outputs = new Set<string>();
  #level: number;
  #json: boolean;
  #quiet = false;
  #bars = true;
  #stdinUsed = false;
  #stdoutTaken = false;

  /** @param args the words of the invocation, for failures before the options are known */
  constructor(args: readonly string[]) {
    this.#json = args.includes('--json');
    this.#level = levelOf(process.env.TINYQUANT_LOG ?? 'info');
  }

  /** Takes the options all commands share, before anything of the package is loaded. */
  configure(options: GlobalOptions): void {
    this.#json = options.json === true;
    this.#quiet = options.quiet === true;
    this.#bars = options.progress !== false;
    if (options.log !== undefined) this.#level = levelOf(options.log);
    if (options.threads !== undefined) process.env.TINYQUANT_THREADS = String(options.threads);
  }

  /** Aborts when the command must stop; its reason says why. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get json(): boolean {
    return this.#json;
  }

  /** Names a file or folder the command reads. */
  reads(path: string): string {
    this.#inputs.add(resolve(path));
    return path;
  }

  /** Names a file the command writes. */
  writes(path: string): string {
    this.#outputs.add(resolve(path));
    return path;
  }

  /** Standard output carries the command's data: what would be printed there goes to standard error. */
  takeStdout(): void {
    this.#stdoutTaken = true;
  }

  /** Standard input, which a signal then also closes. */
  stdin(): NodeJS.ReadStream {
    this.#stdinUsed = true;
    return process.stdin;
  }

  /** Stops the command. */
  abort(reason: unknown): void {
    if (this.signal.aborted) return;
    this.#controller.abort(reason);
    if (this.#stdinUsed) process.stdin.destroy();
  }

  /** Listens for signals and for a closed pipe. */
  listen(): void {
    let abortedAt = 0;
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (!this.signal.aborted) {
          abortedAt = performance.now();
          this.abort(new Interrupted(name));
        } else if (performance.now() - abortedAt > PATIENCE_MS) {
          // The user insists: nothing is waited for.
          this.#removePartial();
          this.quit(exitCodeOf(new Interrupted(name), this.#paths()));
        }
      });
    }
    process.stdout.on('error', (error: unknown) => {
      this.abort(stdoutError(error));
    });
    // Nowhere is left to report to.
    process.stderr.on('error', () => {});
  }

  /** Removes what has been written of the outputs, under the names that writers give to what is not complete. */
  #removePartial(): void {
    for (const output of this.#outputs) {
      const [folder, start] = [dirname(output), `.${basename(output)}.`];
      try {
        for (const name of readdirSync(folder)) {
          if (name.startsWith(start) && /\.(partial|tmp)$/.test(name)) rmSync(join(folder, name), { force: true });
        }
      } catch {
        // Nothing more can be done in a folder that is not there or may not be read.
      }
    }
  }

  /** Ends the process, whatever is still under way. */
  quit(code: number): never {
    const reason: unknown = this.signal.reason;
    const isPipe = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFIFO() === true;
    if (reason instanceof Interrupted && [...this.#inputs, ...this.#outputs].some(isPipe)) {
      // A thread that waits for the other end of a pipe keeps process.exit() waiting, but not the signal itself.
      process.removeAllListeners(reason.signal);
      process.kill(process.pid, reason.signal);
    }
    process.exit(code);
  }

  #paths(): { inputs: ReadonlySet<string>; outputs: ReadonlySet<string> } {
    return { inputs: this.#inputs, outputs: this.#outputs };
  }

  /** Writes data to standard output; resolves when it has been taken. */
  async write(data: string | Uint8Array): Promise<void> {
    this.signal.throwIfAborted();
    const { signal } = this;
    let stop = (): void => {};
    await new Promise<void>((done, fail) => {
      // Who should read it may have stopped to.
      stop = () => fail(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      process.stdout.write(data, (error) => (error == null ? done() : fail(stdoutError(error))));
    }).finally(() => signal.removeEventListener('abort', stop));
  }

  /** Prints a line of text on standard output. */
  async print(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  /**
   * Ends a command: one line of JSON in `--json` mode, otherwise text.
   *
   * @param json the stable form
   * @param text for people; on standard output where it is what was asked for
   * @param asked whether the text is the command's data; otherwise it is a message on standard error
   */
  async result(json: object, text: string, asked: boolean): Promise<void> {
    if (this.#json) {
      if (this.#stdoutTaken) process.stderr.write(`${toJson(json)}\n`);
      else await this.print(toJson(json));
    } else if (asked && !this.#stdoutTaken) await this.print(text);
    else this.info(text);
  }

  #say(level: (typeof LEVELS)[number], text: string): void {
    if (this.#level >= LEVELS.indexOf(level)) process.stderr.write(`${text}\n`);
  }

  /** A message for people. */
  info(text: string): void {
    if (!this.#quiet && !this.#json) this.#say('info', text);
  }

  /** Something the user should know that does not stop the command. */
  warn(text: string): void {
    if (!this.#quiet && !this.#json) this.#say('warn', `warning: ${text}`);
  }

  debug(text: string): void {
    if (!this.#json) this.#say('debug', text);
  }

  /** A progress bar, where there is a terminal to show it and nobody objects. */
  async progress(label: string, total?: number, unit = 'rows'): Promise<Progress> {
    const { CI, TERM } = process.env;
    const wanted = this.#bars && !this.#quiet && !this.#json && this.#level >= LEVELS.indexOf('info');
    const able = process.stderr.isTTY === true && TERM !== 'dumb' && (CI === undefined || CI === '' || CI === 'false');
    return wanted && able ? showProgress(label, total, unit) : NO_PROGRESS;
  }

  /** Reports what ended the command and returns the exit code. */
  fail(error: unknown): number {
    const cause = this.signal.aborted ? (this.signal.reason as unknown) : error;
    if (cause instanceof BrokenPipe) return EXIT.done;
    if (this.#json) process.stderr.write(`${errorJson(cause)}\n`);
    else {
      const label = coloured() ? '\u001b[31;1merror:\u001b[0m' : 'error:';
      const hint = isTinyQuantError(cause) && cause.code === 'ERR_TQ_NATIVE_LOAD' ? ' (see: tinyquant doctor)' : '';
      process.stderr.write(`${label} ${oneLine(messageOf(cause))}${hint}\n`);
      if (this.#level >= LEVELS.indexOf('debug') && cause instanceof Error) {
        process.stderr.write(`${cause.stack ?? ''}\n`);
        for (let inner = cause.cause; inner instanceof Error; inner = inner.cause) {
          process.stderr.write(`caused by: ${inner.stack ?? inner.message}\n`);
        }
      }
    }
    return exitCodeOf(cause, this.#paths());
  }

  /** Reports a wrong invocation, in the parser's words, and returns the exit code. */
  misuse(message: string): number {
    return this.fail(usage(message.replace(/^error: /, '')));
  }

  /** Waits until what was written to standard output has left the process, or has been refused. */
  async flush(): Promise<void> {
    await new Promise<void>((done) => {
      process.stdout.write('', () => setImmediate(done));
    });
  }

  /** Lets go of standard input, and waits until what was reported has left the process. */
  async close(): Promise<void> {
    if (this.#stdinUsed && !process.stdin.readableEnded) process.stdin.destroy();
    await new Promise<void>((done) => {
      process.stderr.write('', () => done());
    });
  }
}

/** The invocation of this process. */
export const session: Session = new Session(process.argv.slice(2));

/**
 * The handler of a command.
 *
 * @param body receives the command's arguments and options
 */
export function action<A extends readonly unknown[]>(
  body: (...args: A) => Promise<void>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command;
    session.configure(command.optsWithGlobals<GlobalOptions>());
    await body(...(args as unknown as A));
  };
}

/** Refuses binary data on a terminal. */
export function refuseTerminalOutput(what: string): void {
  if (process.stdout.isTTY === true) {
    throw usage(`${what} is binary and standard output is a terminal: name a file with -o, or pipe it`);
  }
}
