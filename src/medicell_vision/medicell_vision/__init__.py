"""Image analysis: cytometry, labels, vial inspection."""
