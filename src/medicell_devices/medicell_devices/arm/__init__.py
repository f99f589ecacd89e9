"""The fill robot's arm above its drives: the seam, paths in time, supervision, motion."""
