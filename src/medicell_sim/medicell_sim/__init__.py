"""The simulated world: culture, liquids, heat, gas, optics, faults, seed. No ROS."""
