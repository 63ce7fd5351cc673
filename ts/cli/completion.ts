import { Argument, type Command, type Option } from 'commander';
import { example } from './options.js';
import { action, session } from './session.js';
import { flagsOf, type Node, takesFile, walk } from './tree.js';

/** Shells there are completions for. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];

/** All options of a command, the program's own included. */
function allOptions(node: Node, root: Node): Option[] {
  return node === root
    ? [...node.options]
    : [...node.options, ...root.options.filter((o) => /^--(json|quiet|no-progress|log|threads)$/.test(o.long ?? ''))];
}

const key = (node: Node): string => ['tinyquant', ...node.path].join(' ');

/** Words an option's argument may be, where they are few. */
function choices(option: Option): readonly string[] {
  return option.argChoices ?? [];
}

function bash(nodes: readonly Node[], root: Node): string {
  const words = nodes.map((node) => {
    const flags = allOptions(node, root).flatMap(flagsOf);
    const named = node.arguments.flatMap((argument) => argument.argChoices ?? []);
    return `    '${key(node)}') words='${[...node.children, ...named, ...flags].join(' ')}' ;;`;
  });
  const values = nodes.flatMap((node) =>
    allOptions(node, root)
      .filter((option) => choices(option).length > 0)
      .map(
        (option) =>
          `    ${flagsOf(option)
            .map((flag) => `'${key(node)} ${flag}'`)
            .join('|')}) words='${choices(option).join(' ')}' ;;`,
      ),
  );
  const paths = nodes.filter((node) => node.path.length > 0).map((node) => `'${key(node)}'`);
  return `# bash completion of tinyquant. Load it with: source <(tinyquant completion bash)
_tinyquant() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=tinyquant words='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$command $word" in
      ${paths.join('|')}) command="$command $word" ;;
    esac
  done
  case "$command $previous" in
${values.join('\n')}
  esac
  if [[ -z $words ]]; then
    case "$command" in
${words.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  # What is no command or option is a file.
  if [[ \${#COMPREPLY[@]} -eq 0 && $current != -* ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _tinyquant tinyquant
`;
}

const zshText = (text: string): string =>
  text
    .replaceAll(/[[\]:'\\]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();

function zsh(nodes: readonly Node[], root: Node): string {
  const name = (node: Node): string => `_${['tinyquant', ...node.path].join('_').replaceAll('-', '_')}`;
  const bodies = nodes.map((node) => {
    const specs = allOptions(node, root).map((option) => {
      const flags = flagsOf(option);
      const value =
        !option.required && !option.optional
          ? ''
          : choices(option).length > 0
            ? `:value:(${choices(option).join(' ')})`
            : takesFile(option)
              ? ':file:_files'
              : ':value:';
      const text = `[${zshText(option.description)}]${value}`;
      return flags.length > 1 ? `    '(${flags.join(' ')})'{${flags.join(',')}}'${text}'` : `    '${flags[0]}${text}'`;
    });
    if (node.children.length === 0) {
      const positional = node.arguments.map(
        (argument) =>
          `    ':${zshText(argument.name())}:${argument.argChoices === undefined ? '_files' : `(${argument.argChoices.join(' ')})`}'`,
      );
      return `${name(node)}() {\n  _arguments -s \\\n${[...specs, ...positional].join(' \\\n')}\n}`;
    }
    const children = nodes.filter(
      (child) => child.path.length === node.path.length + 1 && node.path.every((word, i) => child.path[i] === word),
    );
    const commands = children.map((child) => `    '${child.path.at(-1)}:${zshText(child.summary)}'`);
    const cases = children.map((child) => `      ${child.path.at(-1)}) ${name(child)} ;;`);
    return `${name(node)}() {
  local -a commands
  commands=(
${commands.join('\n')}
  )
  local curcontext="$curcontext" state line
  _arguments -C -s \\
${[...specs, "    '1: :->command'", "    '*:: :->arguments'"].join(' \\\n')}
  case $state in
    command) _describe command commands ;;
    arguments) case $line[1] in
${cases.join('\n')}
    esac ;;
  esac
}`;
  });
  return `#compdef tinyquant
# zsh completion of tinyquant. Put it into a folder of $fpath as _tinyquant, or load it with: source <(tinyquant completion zsh)
${bodies.join('\n')}
if [ "$funcstack[1]" = "_tinyquant" ]; then _tinyquant "$@"; else compdef _tinyquant tinyquant; fi
`;
}

const quoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll(/\s+/g, ' ')}'`;

function fish(nodes: readonly Node[], root: Node): string {
  const lines = [
    '# fish completion of tinyquant. Load it with: tinyquant completion fish | source',
    'complete -c tinyquant -f',
  ];
  for (const node of nodes) {
    const seen = node.path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    const unseen = node.children.length > 0 ? `not __fish_seen_subcommand_from ${node.children.join(' ')}` : '';
    const here = [seen, unseen].filter((text) => text !== '').join('; and ');
    const condition = here === '' ? '' : ` -n ${quoted(here)}`;
    for (const child of nodes.filter(
      (each) => each.path.length === node.path.length + 1 && node.path.every((word, i) => each.path[i] === word),
    )) {
      lines.push(`complete -c tinyquant${condition} -a ${child.path.at(-1)} -d ${quoted(child.summary)}`);
    }
    for (const argument of node.arguments) {
      const words = argument.argChoices === undefined ? ' -F' : ` -a ${quoted(argument.argChoices.join(' '))}`;
      lines.push(`complete -c tinyquant${condition}${words}`);
    }
    for (const option of node === root ? root.options : node.options) {
      const flags = flagsOf(option).map((flag) =>
        flag.startsWith('--') ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`,
      );
      const value = !option.required
        ? ''
        : choices(option).length > 0
          ? ` -x -a ${quoted(choices(option).join(' '))}`
          : takesFile(option)
            ? ' -r -F'
            : ' -x';
      const scope = node === root ? '' : ` -n ${quoted(seen)}`;
      lines.push(`complete -c tinyquant${scope}${flags.join('')}${value} -d ${quoted(option.description)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const single = (text: string): string => `'${text.replaceAll("'", "''").replaceAll(/\s+/g, ' ')}'`;

function powershell(nodes: readonly Node[], root: Node): string {
  const cases = nodes.map((node) => {
    const words = [
      ...nodes
        .filter(
          (child) => child.path.length === node.path.length + 1 && node.path.every((word, i) => child.path[i] === word),
        )
        .map((child) => [child.path.at(-1) ?? '', child.summary]),
      ...node.arguments.flatMap((argument) => (argument.argChoices ?? []).map((word) => [word, word])),
      ...allOptions(node, root).flatMap((option) => flagsOf(option).map((flag) => [flag, option.description])),
    ];
    const items = words.map(
      ([word, text]) =>
        `      , @(${single(word ?? '')}, ${single(text === undefined || text === '' ? (word ?? '') : text)})`,
    );
    return `    ${single(key(node))} {\n${items.join('\n')}\n    }`;
  });
  const values = nodes.flatMap((node) =>
    allOptions(node, root)
      .filter((option) => choices(option).length > 0)
      .flatMap((option) =>
        flagsOf(option).map(
          (flag) => `    ${single(`${key(node)} ${flag}`)} = @(${choices(option).map(single).join(', ')})`,
        ),
      ),
  );
  const paths = nodes.filter((node) => node.path.length > 0).map((node) => single(key(node)));
  return `# PowerShell completion of tinyquant. Load it with: tinyquant completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName tinyquant -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $paths = @(${paths.join(', ')})
  $values = @{
${values.join('\n')}
  }
  $command = 'tinyquant'
  $previous = ''
  foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
    $text = $element.Extent.Text
    if ($text -eq $wordToComplete -and $element.Extent.EndOffset -ge $cursorPosition) { break }
    if ($paths -contains "$command $text") { $command = "$command $text" }
    $previous = $text
  }
  $words = if ($values.ContainsKey("$command $previous")) {
    $values["$command $previous"] | ForEach-Object { , @($_, $_) }
  } else {
    switch ($command) {
${cases.join('\n')}
    }
  }
  $words | Where-Object { $_[0] -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterValue', $_[1])
  }
}
`;
}

/** The completion script of a shell. */
export function completionScript(program: Command, shell: Shell): string {
  const nodes = walk(program);
  const root = nodes[0] as Node;
  return { bash, zsh, fish, powershell }[shell](nodes, root);
}

/** `tinyquant completion` */
export function registerCompletion(program: Command): void {
  const command = program
    .command('completion')
    .summary('a script that completes commands and options in a shell')
    .description('Prints a completion script. The first lines of it say how it is loaded.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS));
  example(command, 'source <(tinyquant completion bash)');
  command.action(
    action(async (shell: Shell) => {
      const script = completionScript(program, shell);
      await session.result({ shell, script }, script.trimEnd(), true);
    }),
  );
}
