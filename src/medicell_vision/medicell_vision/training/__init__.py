"""How the networks of `medicell_vision.cells` are made; needs what requirements.txt names."""
