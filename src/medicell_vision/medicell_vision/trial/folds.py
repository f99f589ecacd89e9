"""Cross-validation: pictures that a network has learned from are judged by one that has not."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from medicell_vision.cells.pictures import AnyPicture

FOLDS = 'folds.csv'
NETWORKS = 'folds'


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """Which network has not learned from a picture, by the picture's pixels wherever it lies.

    `networks` has the file for every picture that was learned from; it need not be made yet.
    """

    networks: dict[str, Path]

    def network_for(self, picture: AnyPicture) -> Path | None:
        """Return the network to judge a picture by; None for one that none has learned from."""
        return self.networks.get(fingerprint(picture))

    def can_judge(self, picture: AnyPicture) -> bool:
        """Return whether there is a network that has not learned from a picture."""
        network = self.network_for(picture)
        return network is None or network.is_file()


def fingerprint(picture: AnyPicture) -> str:
    """Return a hash of a picture's pixels, whatever file they are in."""
    return hashlib.sha256(
        f'{picture.shape}{picture.dtype}'.encode() + picture.tobytes()
    ).hexdigest()


def read_folds(folder: Path) -> Folds:
    """Return the folds of all data sets in a folder; empty where nothing was learned from."""
    networks = {}
    for file in sorted(folder.rglob(FOLDS)):
        with file.open(encoding='utf-8', newline='') as stream:
            for row in csv.DictReader(stream):
                networks[row['pixels_sha256']] = file.parent / NETWORKS / f'{row["fold"]}.onnx'
    return Folds(networks=networks)
