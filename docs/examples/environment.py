"""One child training as a Gymnasium episode, under random actions."""

import gymnasium

import envs

gymnasium.register_envs(envs)  # importing it is enough; this says so
env = gymnasium.make(
    "adaptaug/ChildTraining-v0",
    tasks=[{"n_train": 100, "steps": (40, 80)}],  # a pair is a range that each episode draws from
    ops=("rotate", "noise"),
)
env.action_space.seed(0)
observation, info = env.reset(seed=0)
total, terminated = 0.0, False
while not terminated:
    action = env.action_space.sample()  # float32 (2,) in [-1, 1], a number per op
    observation, reward, terminated, truncated, info = env.step(action)
    total += reward
print(f"observation {observation.shape}, return {total:.2f}")
