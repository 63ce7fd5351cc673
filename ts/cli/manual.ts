import type { Command } from 'commander';
import { type Node, walk } from './tree.js';

/** Text that roff shows as it is. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1');
}

function section(node: Node): string[] {
  const title = ['tinyquant', ...node.path].join(' ');
  return [
    `.SS ${roff(`"${title}"`)}`,
    roff(node.description),
    '.PP',
    `.B ${roff(node.usage)}`,
    ...node.options.flatMap((option) => ['.TP', `.B ${roff(option.flags)}`, roff(option.description)]),
  ];
}

/** The manual page of a program, in roff. */
export function manual(program: Command, version: string): string {
  const [root, ...commands] = walk(program);
  if (root === undefined) return '';
  const lines = [
    `.TH TINYQUANT 1 "" "tinyquant ${version}" "User Commands"`,
    '.SH NAME',
    `tinyquant \\- ${roff(root.summary)}`,
    '.SH SYNOPSIS',
    `.B ${roff(root.usage)}`,
    '.SH OPTIONS',
    ...root.options.flatMap((option) => ['.TP', `.B ${roff(option.flags)}`, roff(option.description)]),
    '.SH COMMANDS',
    ...commands.flatMap(section),
    '.SH EXIT STATUS',
    ...Object.entries(EXITS).flatMap(([code, text]) => ['.TP', `.B ${code}`, text]),
  ];
  return `${lines.join('\n')}\n`;
}

/** What the exit codes mean. */
export const EXITS: Readonly<Record<string, string>> = {
  '0': 'done',
  '1': 'failed',
  '2': 'wrong usage',
  '3': 'bad data or file',
  '130': 'interrupted, the partial file removed (143 when terminated)',
};
