"""Batch record: journal, audit chain, release rules, report."""
