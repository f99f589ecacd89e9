"""A YAML file as sections that know their lines, so that every refusal names its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from medicell_core.errors import ErrorCode, InputError

NAME = re.compile(r'^[a-z][a-z0-9_]*$')
"""What a material, unit procedure, operation or phase may be called."""


class Section:
    """One mapping of a file: its values, their lines, and how to refuse them."""

    def __init__(self, *, file: str, data: CommentedMap, path: str, code: ErrorCode) -> None:
        self.file = file
        self.data = data
        self.path = path
        self.code = code

    @property
    def line(self) -> int:
        """The line on which the mapping begins, from 1."""
        return int(self.data.lc.line) + 1

    def line_of(self, key: str) -> int:
        """Return the line of a key, or the mapping's own when the key is absent."""
        try:
            return int(self.data.lc.key(key)[0]) + 1
        except (KeyError, TypeError, AttributeError):  # absent, or merged in from an anchor
            return self.line

    def field_of(self, key: str) -> str:
        """Return a key's full name, such as `materials.medium.volume`."""
        return '.'.join(part for part in (self.path, key) if part)

    def error(self, key: str, message: str) -> InputError:
        """Make the refusal of a key's value."""
        return InputError(
            self.code,
            message,
            file=self.file,
            line=self.line_of(key),
            field=self.field_of(key),
        )

    def only(self, allowed: Iterable[str]) -> None:
        """Raise for the first key that is not allowed, with the nearest one that is."""
        names = list(allowed)
        for key in self.data:
            if key not in names:
                hint = suggestion(str(key), names)
                raise self.error(str(key), f'unknown key "{key}"{hint}')

    def need(self, key: str) -> object:
        """Return the value of a key that must be there and must not be empty."""
        if key not in self.data or self.data[key] is None:
            raise self.error(key, f'missing field "{key}"')
        return self.data[key]

    def text(self, key: str) -> str:
        """Return a non-empty text; numbers such as a version are taken as text."""
        value = self.need(key)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == '':
            raise self.error(key, f'expected a text, not {shown(value)}')
        return str(value)

    def name(self, key: str) -> str:
        """Return a name: small letters, digits and underscores."""
        value = self.text(key)
        if not NAME.match(value):
            raise self.error(key, f'"{value}" is not a name: small letters, digits and "_" only')
        return value

    def sub(self, key: str) -> Section:
        """Return a mapping inside this one."""
        value = self.need(key)
        if not isinstance(value, CommentedMap):
            raise self.error(key, f'expected a mapping, not {shown(value)}')
        return Section(file=self.file, data=value, path=self.field_of(key), code=self.code)

    def items(self, key: str) -> list[Section]:
        """Return the mappings of a list that must not be empty."""
        value = self.need(key)
        if not isinstance(value, CommentedSeq) or not value:
            raise self.error(key, f'expected a list of mappings, not {shown(value)}')
        found = []
        for index, item in enumerate(value):
            path = f'{self.field_of(key)}[{index}]'
            if not isinstance(item, CommentedMap):
                raise InputError(
                    self.code,
                    f'expected a mapping, not {shown(item)}',
                    file=self.file,
                    line=int(value.lc.item(index)[0]) + 1,
                    field=path,
                )
            found.append(Section(file=self.file, data=item, path=path, code=self.code))
        return found


def shown(value: object) -> str:
    """Return a value as a message shows it."""
    if isinstance(value, CommentedMap):
        return 'a mapping'
    if isinstance(value, CommentedSeq):
        return 'a list'
    return f'"{value}"'


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "..."?` for the nearest known word, or what is known."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f'; known: {", ".join(names)}' if names else ''


def load_document(path: Path, code: ErrorCode) -> Section:
    """Read a YAML file whose root is a mapping.

    Raises InputError with `code` when it cannot be read, is empty, or is no such YAML.
    """
    file = str(path)
    try:
        text = path.read_text(encoding='utf-8')
    except OSError as error:
        raise InputError(code, f'cannot read the file: {error.strerror}', file=file) from error
    except UnicodeDecodeError as error:
        raise InputError(code, 'the file is not UTF-8 text', file=file) from error
    try:
        data = YAML(typ='rt').load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else int(mark.line) + 1
        problem = str(error.problem or 'not YAML').splitlines()[0]
        raise InputError(code, f'not valid YAML: {problem}', file=file, line=line) from error
    except YAMLError as error:
        raise InputError(code, f'not valid YAML: {error}', file=file) from error
    if data is None:
        raise InputError(code, 'the file is empty', file=file, line=1)
    if not isinstance(data, CommentedMap):
        raise InputError(code, 'expected a mapping at the top of the file', file=file, line=1)
    return Section(file=file, data=data, path='', code=code)
