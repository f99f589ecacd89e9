"""The reference: pages of Markdown made from what the code and its files declare."""
