"""The version of the workspace, as the record names it."""

VERSION = '0.1.0'
