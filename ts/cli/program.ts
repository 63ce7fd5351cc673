import { Command, CommanderError, Option } from 'commander';
import { version } from '../../package.json';
import { registerBench } from './bench.js';
import { registerIndex } from './build-index.js';
import { registerCodec } from './codec.js';
import { completionScript, registerCompletion, SHELLS, type Shell } from './completion.js';
import { registerCompress } from './compress.js';
import { registerConvert } from './convert.js';
import { registerCorpus } from './corpus.js';
import { registerDecompress } from './decompress.js';
import { registerDoctor } from './doctor.js';
import { registerInfo } from './info.js';
import { registerIngest } from './ingest.js';
import { EXITS, manual } from './manual.js';
import { count } from './options.js';
import { registerRecall } from './recall.js';
import { registerReport } from './report.js';
import { registerSearch } from './search.js';
import { session } from './session.js';
import { registerTrain } from './train.js';
import { registerVerify } from './verify.js';
import { registerWorker } from './worker.js';

/** Ends the program where a global option asks for a text instead of a command. */
function textInstead(program: Command): void {
  const { generateCompletion, generateMan } = program.opts<{ generateCompletion?: Shell; generateMan?: boolean }>();
  if (generateCompletion !== undefined) {
    process.stdout.write(completionScript(program, generateCompletion));
    throw new CommanderError(0, 'tinyquant.completion', '');
  }
  if (generateMan === true) {
    process.stdout.write(manual(program, version));
    throw new CommanderError(0, 'tinyquant.manual', '');
  }
}

/** Options that go with every command. */
const GLOBALS: readonly string[] = ['json', 'quiet', 'progress', 'log', 'threads'];

/** The command line. */
export function buildProgram(): Command {
  const program: Command = new Command('tinyquant')
    .description('Embeddings at an eighth to a sixteenth of their size: files of them, and search over those.')
    .version(`tinyquant ${version}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .option('--json', 'print results and errors as JSON')
    .option('--quiet', 'say nothing but results and errors')
    .option('--no-progress', 'show no progress bar')
    .option('--log <filter>', 'off, error, warn, info or debug; also TINYQUANT_LOG (default: info)')
    .option('--threads <n>', 'threads to compute with (default: one per processor)', count(1, 1024))
    .addOption(new Option('--generate-completion <shell>', 'print a completion script').choices(SHELLS))
    .option('--generate-man', 'print a manual page')
    .configureHelp({
      showGlobalOptions: true,
      // What ends the program in place of a command is of no use after one.
      visibleGlobalOptions: () => program.options.filter((option) => GLOBALS.includes(option.attributeName())),
    })
    .configureOutput({
      // What is wrong is reported in one place, in one form.
      outputError: () => {},
    })
    .exitOverride()
    .showSuggestionAfterError(true);
  program.addHelpText(
    'after',
    `\nExit codes: ${Object.entries(EXITS)
      .map(([code, text]) => `${code} ${text}`)
      .join(
        ', ',
      )}.\nExample:\n  $ tinyquant compress vectors.npy -o vectors.tq && tinyquant search vectors.tq --query queries.npy --top-k 5`,
  );
  const register = [
    registerTrain,
    registerCompress,
    registerDecompress,
    registerInfo,
    registerVerify,
    registerSearch,
    registerRecall,
    registerConvert,
    registerIngest,
    registerIndex,
    registerReport,
    registerBench,
    registerWorker,
    registerCompletion,
    registerDoctor,
    registerCodec,
    registerCorpus,
  ];
  for (const add of register) add(program);
  return program;
}

/** Runs one invocation; an answer that nobody could take is a failure. */
async function invoke(program: Command, args: readonly string[]): Promise<number> {
  try {
    const { operands, unknown } = program.parseOptions([...args]);
    textInstead(program);
    if (operands.length === 0 && unknown.length === 0) {
      program.outputHelp();
      return 2;
    }
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    // Help for a missing command has been shown already.
    return error.code === 'commander.help' ? 2 : session.misuse(error.message);
  }
}

/** Runs one invocation and returns its exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const code = await invoke(buildProgram(), args);
    await session.flush();
    session.signal.throwIfAborted();
    return code;
  } catch (error) {
    return session.fail(error);
  }
}
