"""One child training: its task, set-up, run, episode of decisions, and cost calibration."""
