"""The cell in Gazebo: its world, the drives of its arm, a simulator in lock-step."""
