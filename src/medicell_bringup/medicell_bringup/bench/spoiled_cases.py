"""One picture at a time, spoiled on purpose: what its figure is then, and who notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from medicell_core.errors import InputError
from medicell_sim.optics import render
from medicell_sim.port import Scene
from medicell_vision.cells.analysis import Analyser
from medicell_vision.cells.found import Found
from medicell_vision.cells.modality import BRIGHT_FIELD, FLUORESCENCE, MODALITIES, Modality
from medicell_vision.cells.network import shipped
from medicell_vision.cells.pictures import AnyPicture, read_picture
from medicell_vision.cells.quality import Finding, judge, refused
from medicell_vision.trial.folds import Folds
from medicell_vision.trial.sets import DataSet
from medicell_vision.trial.spoil import KINDS, spoiled, torn

TORN, CLEAN, DENSE = 'torn file', 'as it is', 'too dense'
ALL_KINDS = (*KINDS, TORN)
DENSEST = 24
"""Fields that lie over each other at most."""
WRONG_SHARE, WRONG_COUNT = 0.1, 1
"""A figure is wrong that is off by more than this share and by more than so many cells."""

RENDERED = 'rendered'
SIDE_PX, UM_PER_PX, CELL_UM, NUCLEUS_SHARE = 768, 0.65, 9.0, 0.75
RENDERED_CELLS = (40, 160)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Pictures of one kind: a data set's, or rendered ones; `cell_px` as `medicell vision`'s."""

    name: str
    modality: Modality
    pictures: tuple[AnyPicture, ...]
    networks: tuple[Path | None, ...]
    cell_px: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoiledCase:
    """What became of a picture: `count` and `dead` are what was found, `true_` what there was.

    `read` is false for a file that is refused before anything is found.
    """

    source: str
    kind: str
    severity: float
    read: bool
    findings: tuple[Finding, ...]
    count: int
    dead: int
    true_count: int
    true_dead: int

    @property
    def refused(self) -> bool:
        """Whether there is no figure."""
        return not self.read or refused(self.findings)

    @property
    def warned(self) -> bool:
        """Whether there is a warning, or no figure."""
        return not self.read or bool(self.findings)

    @property
    def error_pct(self) -> float:
        """By how much the count is off."""
        return 100.0 * abs(self.count - self.true_count) / max(1, self.true_count)

    @property
    def wrong(self) -> bool:
        """Whether the count, or that of the dead, is off by so much that it matters."""
        most = max(WRONG_COUNT, WRONG_SHARE * self.true_count)
        off = (self.count - self.true_count, self.dead - self.true_dead)
        return any(abs(item) > most for item in off)


def sources(sets: Sequence[DataSet], folds: Folds, seed: int) -> list[Source]:
    """Return the pictures of the sets that a network is there for, and rendered ones."""
    found = []
    for data in sets:
        if not shipped(data.modality).is_file():
            continue
        pictures = [item.picture for item in data.examples() if folds.can_judge(item.picture)]
        if pictures:
            networks = tuple(folds.network_for(picture) for picture in pictures)
            found.append(
                Source(
                    name=data.name,
                    modality=data.modality,
                    pictures=tuple(pictures),
                    networks=networks,
                )
            )
    return [*found, _rendered(BRIGHT_FIELD, seed), _rendered(FLUORESCENCE, seed)]


class Campaign:
    """Analyses pictures as `medicell vision` does: by way of a file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._analysers: dict[tuple[str, Path | None], Analyser] = {}

    def clean(self, source: Source) -> Iterator[SpoiledCase]:
        """Yield what is found wrong with the pictures of a source as they are."""
        for number, picture in enumerate(source.pictures):
            found = self._found(source, number, picture)
            yield _case(source, CLEAN, 0.0, seen=(picture, found), true=[found])

    def spoil(
        self, source: Source, kind: str, severity: float, chance: np.random.Generator
    ) -> SpoiledCase:
        """Spoil a picture of a source, write it, read it, analyse and judge it."""
        number = int(chance.integers(len(source.pictures)))
        layers = round(severity * (DENSEST - 1)) if kind == DENSE else 0
        others = [int(item) for item in chance.integers(len(source.pictures), size=layers)]
        file = self._folder / f'spoiled{chance.choice([".png", ".tif"])}'
        made = source.pictures[number]
        if kind in KINDS:
            made = spoiled(
                made,
                kind,
                severity,
                modality=source.modality,
                chance=chance,
                others=[source.pictures[item] for item in others],
            )
        cv2.imwrite(str(file), made)
        if kind == TORN:
            file.write_bytes(torn(file.read_bytes(), severity))
        true = [self._found(source, item, source.pictures[item]) for item in (number, *others)]
        try:
            picture = read_picture(file)
        except InputError:
            return _case(source, kind, severity, seen=None, true=true)
        found = self._found(source, number, picture)
        return _case(source, kind, severity, seen=(picture, found), true=true)

    def _found(self, source: Source, number: int, picture: AnyPicture) -> Found:
        key = (source.modality.name, source.networks[number])
        if key not in self._analysers:
            self._analysers[key] = Analyser(*key)
        return self._analysers[key].analyse(picture, typical_px=source.cell_px)


def _case(
    source: Source,
    kind: str,
    severity: float,
    *,
    seen: tuple[AnyPicture, Found] | None,
    true: Sequence[Found],
) -> SpoiledCase:
    """Judge what was seen, None of a file that was refused, and hold it against what there was."""
    findings: tuple[Finding, ...] = ()
    if seen is not None:
        findings = judge(*seen, source.modality, typical_px=source.cell_px)
    return SpoiledCase(
        source=source.name,
        kind=kind,
        severity=severity,
        read=seen is not None,
        findings=findings,
        count=seen[1].count if seen else 0,
        dead=int(seen[1].is_dead.sum()) if seen else 0,
        true_count=sum(item.count for item in true),
        true_dead=sum(int(item.is_dead.sum()) for item in true),
    )


def _rendered(modality: str, seed: int) -> Source:
    pictures = []
    for number in range(12):
        made = render(_scene(np.random.default_rng([seed, number])), modality)
        pictures.append(np.ascontiguousarray(made if made.ndim == 2 else made[0]))
    diameter_px = CELL_UM / UM_PER_PX
    return Source(
        name=f'{RENDERED}, {modality.replace("_", " ")}',
        modality=MODALITIES[modality],
        pictures=tuple(pictures),
        networks=(None,) * len(pictures),
        cell_px=diameter_px * (NUCLEUS_SHARE if modality == FLUORESCENCE else 1.0),
    )


def _scene(chance: np.random.Generator) -> Scene:
    count = int(chance.integers(*RENDERED_CELLS))
    places = chance.uniform(0.0, SIDE_PX, (2, count))
    return Scene(
        width_px=SIDE_PX,
        height_px=SIDE_PX,
        um_per_px=UM_PER_PX,
        depth_um=100.0,
        x_px=places[0].tolist(),
        y_px=places[1].tolist(),
        diameter_um=(CELL_UM * np.exp(0.08 * chance.normal(size=count))).tolist(),
        dead=(chance.random(count) < 0.15).tolist(),
        car_positive=(chance.random(count) < 0.3).tolist(),
        debris=int(chance.poisson(6.0)),
        defocus_um=0.0,
        illumination=1.0,
        seed=int(chance.integers(2**31)),
    )
