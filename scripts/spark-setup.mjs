// Spark and Ray for the examples: Python packages in target/spark-venv, Java from the system.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, root, run } from './lib.mjs';

const venv = join(root, 'target', 'spark-venv');

/** Python with the packages of an engine. */
export const python = join(venv, 'bin', 'python');

const requirements = (engine) => join(root, 'examples', engine, 'requirements.txt');

/** Whether a Java that Spark 4 takes is there. */
function hasJava() {
  const version = capture('java', ['--version'])?.match(/\b(\d+)(?:\.\d+)*\b/)?.[1];
  return version !== undefined && Number(version) >= 17;
}

function installJava() {
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const apt = (...args) => {
    const [command, ...rest] = [...asRoot, 'apt-get', ...args];
    return run(command, rest, { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  return apt('update') && apt('install', '-y', '--no-install-recommends', 'openjdk-17-jre-headless');
}

function installPackages(engine) {
  const wanted = readFileSync(requirements(engine), 'utf8');
  const done = join(venv, `${engine}.txt`);
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return null;
  if (!existsSync(python) && !run('python3', ['-m', 'venv', venv])) {
    return { reason: 'Python 3 with its venv module is missing', install: 'apt-get install python3-venv' };
  }
  console.log(`Installing the packages of examples/${engine}/requirements.txt in target/spark-venv`);
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements(engine)];
  if (!run(python, args)) {
    return { reason: `pip could not install ${engine}`, install: `${python} ${args.join(' ')}` };
  }
  writeFileSync(done, wanted);
  return null;
}

/**
 * Installs what an engine needs; what is missing and how to get it, or null where all is there.
 *
 * @param engine 'spark' or 'ray'
 */
export function missing(engine) {
  if (process.platform !== 'linux') {
    return { reason: `the clusters of this test run on Linux, this is ${process.platform}`, install: 'none' };
  }
  if (engine === 'spark' && !hasJava() && !(process.env.CI === 'true' && installJava() && hasJava())) {
    return { reason: 'Java 17 or newer is missing', install: 'apt-get install openjdk-17-jre-headless' };
  }
  return installPackages(engine);
}

/** Environment of an engine on this machine alone. */
export function environment() {
  const packages = capture(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'])?.trim() ?? '';
  return {
    PYSPARK_PYTHON: python,
    // Without it, the executors of a local cluster do not find their classes.
    SPARK_HOME: join(packages, 'pyspark'),
    SPARK_LOCAL_IP: '127.0.0.1',
    RAY_DISABLE_IMPORT_WARNING: '1',
    RAY_USAGE_STATS_ENABLED: '0',
  };
}
