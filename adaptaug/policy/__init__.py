"""What is learned, saved and loaded: network, observation, cost, artefact."""
