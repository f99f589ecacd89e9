"""The commands of the documents: found in the fenced blocks of a page, run as a reader would.

What a block is stands in its info string, of which GitHub and the site show the first word only.

| info string | what is done |
|---|---|
| `sh` | run by bash, which stops at the first command that fails |
| `console` | lines after `$ ` are run, and their output is compared; `...` stands for any text |
| `diff` with `file=NAME` | lines of that file after a space or `-` become those after `+` |
| any other language with `file=NAME` | written to that file |
| `background` | started and left running until the page ends, then ended by SIGINT |
| `exit=N` | must end with that code |
| `minutes` | takes long: the whole page belongs to the slow tests |
| `needs=PROGRAM` | left out where that program is not installed |
| `by-hand` | never run: changes the machine, or needs what no test has |
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from medicell_bringup.launching.process import END_S, TERM_S

REPOSITORY = Path(__file__).resolve().parents[1]
GUIDES = (
    REPOSITORY / 'README.md',
    REPOSITORY / 'CONTRIBUTING.md',
    *sorted((REPOSITORY / 'docs' / 'how_to').glob('*.md')),
    *sorted((REPOSITORY / 'docs' / 'explanations').rglob('*.md')),
)
"""The pages whose commands are run; the tutorials need more and have a test of their own."""
RUN_S = 900.0
"""Wall seconds after which a block hangs."""
KILLED_S = END_S + TERM_S + 10.0
"""Wall seconds by which a background block has ended: a launch has killed by then what hangs."""
ENDS = (0, -signal.SIGINT, 128 + signal.SIGINT)
"""Codes of a block that SIGINT ends; a launch says by another one that it had to kill."""
SHELLS = ('sh', 'console')
ANY = '...'


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f'{self.page.name}:{self.line}'

    def value(self, key: str) -> str:
        """Return what `key=value` of the info string says; empty without one."""
        return next(
            (item.partition('=')[2] for item in self.words if item.startswith(f'{key}=')), ''
        )

    @property
    def is_run(self) -> bool:
        """Whether it is a command that can be run on this machine."""
        needed = self.value('needs')
        if self.language not in SHELLS or 'by-hand' in self.words:
            return False
        return not needed or shutil.which(needed) is not None


def snippets(page: Path) -> list[Snippet]:
    """Return the fenced blocks of a page in their order."""
    tokens = MarkdownIt().parse(page.read_text(encoding='utf-8'))
    found = []
    for token in tokens:
        if token.type == 'fence':
            language, *words = token.info.split() or ['']
            line = (token.map or [0])[0] + 1
            found.append(
                Snippet(
                    page=page, line=line, language=language, words=tuple(words), text=token.content
                )
            )
    return found


def place_of(page: Path) -> str:
    """Return where a page stands in the repository, for names of tests."""
    return page.relative_to(REPOSITORY).as_posix()


def is_slow(page: Path) -> bool:
    """Return whether a block of the page takes long."""
    return any('minutes' in item.words for item in snippets(page))


def run_page(page: Path, folder: Path) -> list[str]:
    """Run a page's blocks in their order in a folder; returns the places of those that ran.

    The folder gets the script `medicell` and the shipped `config`, as a checkout has them.
    Raises AssertionError with page, line and what was said for the first that does not do what
    the page says.
    """
    (folder / 'medicell').symlink_to(REPOSITORY / 'medicell')
    shutil.copytree(REPOSITORY / 'config', folder / 'config')
    return run_blocks(page, folder)


def run_blocks(page: Path, folder: Path) -> list[str]:
    """Run a page's blocks as `run_page` does, in a folder that has all that they need."""
    ran = []
    with ExitStack() as background:
        for item in snippets(page):
            if item.value('file'):
                _write(item, folder / item.value('file'))
            elif item.is_run:
                ran.append(item.place)
                if 'background' in item.words:
                    _start(item, folder, background)
                else:
                    _run(item, folder)
    return ran


def commands(item: Snippet) -> Iterator[tuple[str, str | None]]:
    """Yield each command of a block with the output that the page shows; None for no claim."""
    if item.language == 'sh':
        yield item.text, None
        return
    command, shown = '', ''
    for line in item.text.splitlines():
        if line.startswith('$ '):
            if command:
                yield command, shown
            command, shown = line[2:], ''
        else:
            shown += line + '\n'
    if command:
        yield command, shown


def matches(shown: str, said: str) -> bool:
    """Return whether an output is what a page shows; spaces at the ends of lines do not count."""
    pattern = '.*'.join(re.escape(part) for part in _plain(shown).split(ANY))
    return re.fullmatch(pattern, _plain(said), re.DOTALL) is not None


def _plain(text: str) -> str:
    return '\n'.join(line.rstrip() for line in text.strip().splitlines())


def _write(item: Snippet, target: Path) -> None:
    """Write a block to its file, or change the file as a block of differences says."""
    text = item.text
    if item.language == 'diff':
        lines = text.splitlines(keepends=True)
        old, new = (''.join(line[1:] for line in lines if line[0] in f' {sign}') for sign in '-+')
        before = target.read_text(encoding='utf-8')
        times = before.count(old)
        assert times == 1, f'{item.place}: {target} has {times} times\n{old}'
        text = before.replace(old, new)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding='utf-8')


def _run(item: Snippet, folder: Path) -> None:
    wanted = int(item.value('exit') or 0)
    for command, shown in commands(item):
        process = _popen(command, folder, subprocess.PIPE)
        try:
            said, _ = process.communicate(timeout=RUN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            raise AssertionError(f'{item.place} hangs after {RUN_S:g} s:\n{said}') from None
        code = process.returncode
        assert code == wanted, f'{item.place} ended with {code}, not {wanted}:\n{command}\n{said}'
        if shown:
            assert matches(shown, said), f'{item.place} shows\n{shown}\nand it said\n{said}'


def _start(item: Snippet, folder: Path, background: ExitStack) -> None:
    log = folder / f'background-{item.line}.log'
    with open(log, 'wb') as output:
        process = _popen(item.text, folder, output.fileno())

    def end() -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        try:
            code = process.wait(KILLED_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        assert code in ENDS, f'{item.place} ended with {code}:\n{log.read_text("utf-8")}'

    background.callback(end)


def _popen(command: str, folder: Path, output: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ['bash', '-euo', 'pipefail', '-c', command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
