"""What makes up a cell's processes, and the two that start them: `ros2 launch` and Medicell."""
