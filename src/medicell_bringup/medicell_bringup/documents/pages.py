"""Every page of the reference that is made from the sources, by its file in docs/reference."""

from __future__ import annotations

from collections.abc import Callable

from medicell_bringup.documents.archives import archive_page
from medicell_bringup.documents.commands import command_line_page
from medicell_bringup.documents.failures import errors_page, faults_page
from medicell_bringup.documents.inputs import cell_page, files_page
from medicell_bringup.documents.interfaces import interfaces_page
from medicell_bringup.documents.launch import launch_page
from medicell_bringup.documents.nodes import nodes_page
from medicell_bringup.documents.operations import operations_page
from medicell_bringup.documents.recipes import recipe_page
from medicell_bringup.documents.records import record_page
from medicell_bringup.documents.releases import release_page

PAGES: dict[str, Callable[[], str]] = {
    'archive.md': archive_page,
    'cell_file.md': cell_page,
    'command_line.md': command_line_page,
    'error_codes.md': errors_page,
    'faults.md': faults_page,
    'interfaces.md': interfaces_page,
    'launch_arguments.md': launch_page,
    'nodes.md': nodes_page,
    'operations.md': operations_page,
    'patient_and_product.md': files_page,
    'recipe_files.md': recipe_page,
    'record_entries.md': record_page,
    'release_decisions.md': release_page,
}
"""By file: what makes it."""
