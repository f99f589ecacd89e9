"""One small contract per device; simulated and hardware drivers. No ROS."""
