"""The cell's model: expanded from xacro, checked, posed and drawn."""
