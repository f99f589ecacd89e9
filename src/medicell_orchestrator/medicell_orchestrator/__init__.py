"""Recipe to behaviour tree, and its one ROS adapter."""
