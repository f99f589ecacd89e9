"""Trial of an analysis on pictures with ground truth: data sets, scores, a plain counter."""
