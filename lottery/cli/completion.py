"""The command `lottery-completion`: a script that lets bash and zsh complete the commands."""

from collections.abc import Callable, Iterator
from importlib import import_module

from lottery.cli.common import check_surroundings, command_line, errors_end_the_command
from lottery.cli.parser import Parser

EXAMPLES = (
    ("lottery-completion bash >> ~/.bashrc", "complete in all later shells"),
    ("lottery-completion zsh >> ~/.zshrc", "the same in zsh"),
    ("lottery-completion bash > lottery.bash", "a script to source"),
)
MODULES = ("claims", "compare", "data", "doctor", "ls", "report", "stability", "ticket")
IN_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"
SCRIPT = """\
_lottery_commands() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" words=""
    case "${{COMP_WORDS[0]##*/}} ${{COMP_WORDS[COMP_CWORD-1]}}" in
{choices}
        *) case "${{COMP_WORDS[0]##*/}} $current" in
{options}
        esac ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _lottery_commands {names}
"""


def main() -> None:
    """Run the command."""
    check_surroundings(needs_torch=False)
    arguments = make_parser().parse_args()
    with errors_end_the_command(command_line("lottery-completion")):
        print(make_script(arguments.shell), end="")


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    parser = Parser(
        prog="lottery-completion",
        examples=EXAMPLES,
        description=f"{__doc__} Options, their values and the names of claims' and data's own "
        "commands are completed; everything else is a path. `lottery` itself has Hydra's "
        "completion, of keys and groups: lottery -sc install=bash. In a running shell: "
        'eval "$(lottery-completion bash)".',
    )
    parser.add_argument("shell", choices=("bash", "zsh"))
    return parser


def make_script(shell: str) -> str:
    """Return the script for a shell; it starts no Python when it completes."""
    parsers = list(_parsers())
    choices = [
        f'        "{parser.prog} {option}") words="{" ".join(values)}" ;;'
        for parser in parsers
        for option, values in parser.words().items()
        if option and values
    ]
    options = [
        line
        for parser in parsers
        for line in (
            f'            "{parser.prog} -"*) words="{" ".join(filter(None, parser.words()))}" ;;',
            f'            "{parser.prog} "*) words="{" ".join(parser.words()[""])}" ;;',
        )
    ]
    script = SCRIPT.format(
        choices="\n".join(choices),
        options="\n".join(options),
        names=" ".join(parser.prog for parser in parsers),
    )
    return (IN_ZSH if shell == "zsh" else "") + script


def _parsers() -> Iterator[Parser]:
    for name in MODULES:
        make: Callable[[], Parser] = import_module(f"lottery.cli.{name}").make_parser
        yield make()
    yield make_parser()
