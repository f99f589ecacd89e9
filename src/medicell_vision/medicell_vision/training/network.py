"""The network that learns: an encoder and a decoder that adds what the encoder saw."""

from __future__ import annotations

import io
from pathlib import Path

import onnx
import torch
from torch import nn

MAPS = 3
INPUT, OUTPUT = 'picture', 'maps'
OPSET = 11
"""The oldest that has all that is needed: OpenCV 4.5 reads it."""


class Net(nn.Module):
    """Maps a picture (N, 1, H, W) to logits (N, 3, H, W); `widths` are channels per halving."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        before = 1
        for level, width in enumerate(widths):
            steps = [_convolution(before, width, stride=1 if level == 0 else 2)]
            extra = 0 if level == 0 else 2 if level == len(widths) - 1 else 1
            steps += [_convolution(width, width) for _ in range(extra)]
            self.down.append(nn.Sequential(*steps))
            before = width
        self.up, self.mix = nn.ModuleList(), nn.ModuleList()
        for level in range(len(widths) - 2, -1, -1):
            self.up.append(nn.Conv2d(widths[level + 1], widths[level], 1))
            steps = [
                _convolution(widths[level], widths[level]) for _ in range(1 if level == 0 else 2)
            ]
            self.mix.append(nn.Sequential(*steps))
        self.head = nn.Conv2d(widths[0], MAPS, 1)

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        """Return the logits of the maps."""
        seen = []
        for step in self.down:
            plane = step(plane)
            seen.append(plane)
        for up, mix, skip in zip(self.up, self.mix, reversed(seen[:-1]), strict=True):
            plane = mix(nn.functional.interpolate(up(plane), scale_factor=2.0) + skip)
        return self.head(plane)


def _convolution(before: int, after: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def write(net: Net, file: Path) -> None:
    """Write a network as ONNX, for pictures of any size, without what tells of this machine."""
    sizes = {name: {2: 'height', 3: 'width'} for name in (INPUT, OUTPUT)}
    made = io.BytesIO()
    torch.onnx.export(
        net.eval(),
        (torch.zeros(1, 1, 64, 64),),
        made,
        dynamo=False,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_axes=sizes,
        opset_version=OPSET,
    )
    model = onnx.load_from_string(made.getvalue())
    for node in model.graph.node:
        node.ClearField('doc_string')
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.SerializeToString())
