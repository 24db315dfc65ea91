"""Scripts that complete command lines in bash, zsh and fish, made from a parser of ``argparse``.

The script holds all words, so that completing starts no program. It must be printed again after an upgrade.
"""

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Command:
    """What may follow the words of one command, such as ``("sim", "replay")``."""

    path: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    """Options and their help."""
    commands: dict[str, str] = field(default_factory=dict)
    """Subcommands and their help."""
    choices: list[str] = field(default_factory=list)
    """Words of which the command takes one."""
    takes_files: bool = False
    valued: dict[str, list[str] | None] = field(default_factory=dict)
    """Options that take a value: the words to choose from, empty for any word, None for a file."""

    @property
    def words(self) -> list[str]:
        """Everything that may stand here, but for files."""
        return [*self.commands, *self.choices, *self.options]


def commands_of(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Command]:
    """Yield the command of a parser, and those of its subparsers after it."""
    command = Command(path)
    below: list[Command] = []
    for action in parser._actions:
        about = "" if action.help in (None, argparse.SUPPRESS) else _about(parser, action)
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            for name, child in action.choices.items():
                command.commands[name] = helps.get(name, "")
                below += commands_of(child, (*path, name))
        elif action.option_strings:
            command.options |= dict.fromkeys(action.option_strings, about)
            if action.nargs != 0:
                values = None if action.type is Path else [str(each) for each in action.choices or ()]
                command.valued |= dict.fromkeys(action.option_strings, values)
        elif action.choices is not None:
            command.choices += [str(each) for each in action.choices]
        else:
            command.takes_files |= action.type is Path
    yield command
    yield from below


def _about(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """The first part of an option's help, in one line."""
    text = re.sub(r"%\((\w+)\)s", lambda found: str(vars(action).get(found[1])), action.help or "").replace("%%", "%")
    return re.split(r"[;(]", " ".join(text.split()))[0].strip()


def bash(parser: argparse.ArgumentParser, program: str) -> str:
    """Return the script for bash."""
    commands = list(commands_of(parser))
    paths = "|".join(shlex.quote(" ".join(("", *each.path))) for each in commands if each.path)
    lines = [
        f"# Completes {program} in bash: save it as ~/.local/share/bash-completion/completions/{program}",
        f"_{program}() {{",
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} at= words= files= i",
        "    for ((i = 1; i < COMP_CWORD; i++)); do",
        f'        case "$at ${{COMP_WORDS[i]}}" in {paths}) at="$at ${{COMP_WORDS[i]}}" ;; esac',
        "    done",
        '    case "$at $before" in',
    ]
    for each in commands:
        for option, values in each.valued.items():
            what = "files=1" if values is None else f"words={shlex.quote(' '.join(values) or ' ')}"
            lines.append(f"        {shlex.quote(' '.join(('', *each.path, option)))}) {what} ;;")
    lines += ["    esac", '    if [ -z "$words$files" ]; then', '        case "$at" in']
    for each in commands:
        files = " files=1" if each.takes_files else ""
        at = shlex.quote("".join(f" {name}" for name in each.path))
        lines.append(f"            {at}) words={shlex.quote(' '.join(each.words))}{files} ;;")
    lines += [
        "        esac",
        "    fi",
        '    COMPREPLY=($(compgen -W "$words" -- "$word"))',
        "    local IFS=$'\\n'",
        '    [ -z "$files" ] || [[ $word == -* ]] || COMPREPLY+=($(compgen -f -- "$word"))',
        "}",
        f"complete -o filenames -F _{program} {program}",
    ]
    return "\n".join(lines) + "\n"


def zsh(parser: argparse.ArgumentParser, program: str) -> str:
    """Return the script for zsh, which is bash's behind its own compatibility layer."""
    body = bash(parser, program).partition("\n")[2]
    return (
        f"#compdef {program}\n# Completes {program} in zsh: save it as _{program} in a folder of $fpath\n"
        f"autoload -U +X bashcompinit && bashcompinit\n{body}"
    )


def fish(parser: argparse.ArgumentParser, program: str) -> str:
    """Return the script for fish."""
    commands = list(commands_of(parser))
    lines = [
        f"# Completes {program} in fish: save it as ~/.config/fish/completions/{program}.fish",
        f"complete -c {program} -f",
    ]
    for each in commands:
        below = [*each.commands]
        seen = [f"__fish_seen_subcommand_from {name}" for name in each.path]
        seen += [f"not __fish_seen_subcommand_from {' '.join(below)}"] if below else []
        when = f"complete -c {program}" + (f" -n {shlex.quote('; and '.join(seen))}" if seen else "")
        lines += [f"{when} -a {name} -d {_fish(about)}" for name, about in each.commands.items()]
        lines += [f"{when} -a {shlex.quote(' '.join(each.choices))}"] if each.choices else []
        lines += [f"{when} -F"] if each.takes_files else []
        for option, about in each.options.items():
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            value = ""
            if option in each.valued:
                values = each.valued[option]
                value = " -r -F" if values is None else f" -x -a {shlex.quote(' '.join(values))}" if values else " -x"
            lines.append(f"{when} {name}{value} -d {_fish(about)}")
    return "\n".join(lines) + "\n"


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS = {"bash": bash, "fish": fish, "zsh": zsh}
"""Functions that take a parser and the program's name, and return a script."""
