"""Electronic signatures: their meanings and order, their seal, and how one is made."""
