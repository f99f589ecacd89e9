"""Data sets of real pictures with ground truth: a folder with `images.csv` and what it names."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from medicell_core.errors import ErrorCode, InputError
from medicell_vision.cells.modality import MODALITIES, Modality
from medicell_vision.cells.pictures import AnyPicture, read_picture

INDEX = 'images.csv'
OBJECTS = 'objects.csv'
POOLS = 'pooled_samples.csv'

Labels = npt.NDArray[np.int32]
Row = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueCell:
    """A cell as an expert drew it: middle and size of its box in pixels, dead, cut by the edge."""

    x_px: float
    y_px: float
    width_px: float
    height_px: float
    dead: bool
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One picture with its truth; `labels` are 0 for background and 1 to n for the objects.

    Chamber pictures have boxes and no `labels`; then these are None.
    """

    name: str
    picture: AnyPicture
    cells: tuple[TrueCell, ...]
    labels: Labels | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Pictures that are counted as one sample, and what it holds; viability in per cent."""

    name: str
    images: tuple[str, ...]
    count: int
    viability_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A folder of pictures of one modality."""

    name: str
    folder: Path
    modality: Modality
    rows: tuple[Row, ...]
    pools: tuple[Pool, ...]

    def examples(self) -> Iterator[Example]:
        """Yield the pictures one by one; raises InputError for one that cannot be read."""
        objects: dict[str, list[Row]] = {}
        for row in _rows(self.folder / OBJECTS, ('image', 'xmin', 'ymin', 'xmax', 'ymax')):
            objects.setdefault(row['image'], []).append(row)
        for row in self.rows:
            yield self._example(row, objects.get(row['image'], []))

    def _example(self, row: Row, objects: Sequence[Row]) -> Example:
        name = row['image']
        picture = read_picture(self.folder / 'images' / name)
        file = self.folder / OBJECTS
        return Example(
            name=name,
            picture=picture,
            cells=tuple(_cell(item, file) for item in objects),
            labels=self._labels(name, picture) if self.modality.outlined else None,
            count=round(_number(row, 'count', self.folder / INDEX)),
        )

    def _labels(self, name: str, picture: AnyPicture) -> Labels:
        file = self.folder / 'labels' / name
        labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.is_file() else None
        if labels is None or labels.shape != picture.shape:
            raise InputError(
                ErrorCode.INVALID_GOAL,
                f'must be a picture of {picture.shape[1]}x{picture.shape[0]} pixels like its '
                f'original; is {"unreadable" if labels is None else labels.shape}',
                file=str(file),
            )
        return labels.astype(np.int32)


def find_sets(folder: Path) -> list[DataSet]:
    """Return the data sets in a folder or below it; raises InputError when there is none."""
    if not folder.is_dir():
        raise InputError(ErrorCode.INVALID_GOAL, f'{folder} is no folder', field='FOLDER')
    found = [read_set(index.parent) for index in sorted(folder.rglob(INDEX))]
    if not found:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'no {INDEX} in {folder} or below it', field='FOLDER'
        )
    return found


def read_set(folder: Path) -> DataSet:
    """Return the data set of one folder; what its tables have tells its modality."""
    index = folder / INDEX
    rows = _rows(index, ('image', 'count'))
    columns = set(rows[0])
    kinds = [item for item in MODALITIES.values() if item.told_by in columns]
    if len(kinds) != 1:
        told = ', '.join(f'{item.told_by} ({item.name})' for item in MODALITIES.values())
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'exactly one of these columns is needed: {told}',
            file=str(index),
        )
    return DataSet(
        name=folder.name,
        folder=folder,
        modality=kinds[0],
        rows=tuple(rows),
        pools=_pools(folder / POOLS, {row['image'] for row in rows}),
    )


def _pools(file: Path, known: set[str]) -> tuple[Pool, ...]:
    if not file.is_file():
        return ()
    pools = []
    for row in _rows(file, ('sample', 'count', 'viability', 'images')):
        images = tuple(row['images'].split(';'))
        unknown = [name for name in images if name not in known]
        if unknown:
            raise InputError(
                ErrorCode.INVALID_GOAL,
                f'sample {row["sample"]} has {unknown[0]}, which is not in {INDEX}',
                file=str(file),
            )
        pools.append(
            Pool(
                name=row['sample'],
                images=images,
                count=round(_number(row, 'count', file)),
                viability_pct=100.0 * _number(row, 'viability', file),
            )
        )
    return tuple(pools)


def _cell(row: Row, file: Path) -> TrueCell:
    left, top, right, bottom = (
        _number(row, key, file) for key in ('xmin', 'ymin', 'xmax', 'ymax')
    )
    return TrueCell(
        x_px=(left + right) / 2.0,
        y_px=(top + bottom) / 2.0,
        width_px=right - left,
        height_px=bottom - top,
        dead=row.get('label') == 'dead',
        cut=row.get('touches_edge') == '1',
    )


def _number(row: Row, column: str, file: Path) -> float:
    try:
        return float(row[column])
    except ValueError:
        raise InputError(
            ErrorCode.INVALID_GOAL,
            f'is {row[column]!r}, must be a number',
            file=str(file),
            field=column,
        ) from None


def _rows(file: Path, needed: Sequence[str]) -> list[Row]:
    try:
        with file.open(encoding='utf-8', newline='') as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'cannot be read: {error}', file=str(file)
        ) from error
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise InputError(
            ErrorCode.INVALID_GOAL, f'has no rows with {", ".join(missing)}', file=str(file)
        )
    return rows
