"""One child training: task, setup, run, episode, calibration."""
