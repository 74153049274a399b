"""What a policy is: ops, network, the shortest run that it augments, where it comes from."""

from pathlib import Path

from adaptaug import load_policy, save_policy

policy = load_policy("digits")  # a bundled one; or a folder, or a model id on the Hugging Face hub
print("ops:", ", ".join(policy.ops))
print(f"augments runs of at least {policy.min_epochs:.1f} epochs, in {policy.decisions} decisions")
print("searched on:", [task["dataset"] for task in policy.provenance["tasks"]])

save_policy(Path("runs/my_digits"), policy)  # config.json, model.safetensors, README.md
