import type { Argument, Command, Option } from 'commander';

/** A command as completions and the manual see it. */
export interface Node {
  /** Words from the program to the command; none for the program. */
  readonly path: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly usage: string;
  readonly options: readonly Option[];
  readonly arguments: readonly Argument[];
  readonly children: readonly string[];
}

/** Every command of a program, itself first. */
export function walk(command: Command, path: readonly string[] = []): Node[] {
  const help = command.createHelp();
  const children = command.commands.filter((child) => child.name() !== 'help');
  const node: Node = {
    path,
    summary: command.summary() || command.description(),
    description: command.description(),
    usage: help.commandUsage(command),
    options: help.visibleOptions(command),
    arguments: command.registeredArguments,
    children: children.map((child) => child.name()),
  };
  return [node, ...children.flatMap((child) => walk(child, [...path, child.name()]))];
}

/** The flags of an option, shortest first: `-o`, `--output`. */
export function flagsOf(option: Option): string[] {
  return [option.short, option.long].filter((flag): flag is string => typeof flag === 'string');
}

/** Whether an option's argument is a file, by its placeholder. */
export function takesFile(option: Option): boolean {
  return /file|input|vectors|path|output/i.test(option.flags.replace(/^.*--[\w-]+/, ''));
}
