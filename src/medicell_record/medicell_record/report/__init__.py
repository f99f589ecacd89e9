"""The batch report as a PDF: its pages, tables, figures and words."""
