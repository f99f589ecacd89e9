"""What `medicell bench` measures: a module for each group, one type of result for all."""
