#!/usr/bin/env bash
# crafter 1.8.3: looking at the world at night changes what happens next.
# Guess: `render()` draws what is there; calling it once more, or at another size, has no effect on the episode.
# Seen: by day that is so. At night the picture has noise, drawn from the random numbers that also move the creatures.
#   One more picture, or the same picture at another size, takes the world to another place in that sequence. A
#   recorder that saves frames plays another episode than the one without it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check crafter==1.8.3 setuptools
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import crafter


def state(env):
    return env._world.random.get_state()[1:3]


def same(a, b):
    return a[1] == b[1] and (a[0] == b[0]).all()


print("crafter", version("crafter"))
env = crafter.Env(seed=3)
env.reset()
for step in range(1, 200):
    env.step(0)
    before = state(env)
    env.render()
    unchanged = same(before, state(env))
    if step in (100, 140, 160, 190):
        print(f"step {step}: daylight {env._world.daylight:.2f}, drawing leaves the random numbers {'alone' if unchanged else 'changed'}")
    assert unchanged == (env._world.daylight >= 0.5), (step, env._world.daylight)
    if env._player.health <= 0:
        break
assert step > 150, step

small, large = crafter.Env(seed=3, size=(64, 64)), crafter.Env(seed=3, size=(256, 256))
for env in (small, large):
    env.reset()
    for _ in range(160):
        env.step(0)
print("after 160 equal steps, 64 and 256 pixels share the random numbers:", same(state(small), state(large)))
assert not same(state(small), state(large))
PYTHON
